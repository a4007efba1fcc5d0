import { createAminoClient, type AminoClient } from 'amino-worker'

/** The page of `npm run bench:sweep`: one client, and its words for the bench. */

export interface SweepPage {
  start(options: { bootstrap: readonly string[]; storage: string }): Promise<string>
  readonly client: AminoClient
  /**
   * Hands the CIDs over, and leaves the page without a word when this share of them has been told. The page sees to it itself: the
   * bench is busy with the servers and would be late.
   */
  provideAndLeave(cids: readonly string[], share: number): Promise<void>
}

let running: AminoClient | undefined

const sweepPage: SweepPage = {
  async start({ bootstrap, storage }) {
    running = await createAminoClient({ bootstrap, storage, identity: 'kept', allowPrivateAddresses: true })
    return running.peerId
  },
  async provideAndLeave(cids, share) {
    const { client } = sweepPage
    await client.provideMany(cids)
    const look = async (): Promise<void> => {
      const { provided, queued } = await client.provideStatus()
      if (provided - queued >= share * provided) location.replace('about:blank')
    }
    setInterval(() => void look(), 20)
  },
  get client() {
    if (running === undefined) throw new Error('The client has not been started.')
    return running
  },
}

Object.assign(globalThis, { sweepPage })
