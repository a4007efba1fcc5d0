import { createAminoClient, type AminoClient } from 'amino-worker'

/** The page of `npm run bench:sweep`: one client, and its words for the bench. */

export interface SweepPage {
  start(options: { bootstrap: readonly string[]; storage: string }): Promise<string>
  readonly client: AminoClient
}

let running: AminoClient | undefined

const sweepPage: SweepPage = {
  async start({ bootstrap, storage }) {
    running = await createAminoClient({ bootstrap, storage, identity: 'kept', allowPrivateAddresses: true })
    return running.peerId
  },
  get client() {
    if (running === undefined) throw new Error('The client has not been started.')
    return running
  },
}

Object.assign(globalThis, { sweepPage })
