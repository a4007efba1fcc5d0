import type { BitswapMessage, BlockPresence } from '../../worker/engine/bitswap/message.ts'
import type { Peer } from '../../worker/engine/peer.ts'
import type { BitswapNetwork, ScriptedPeer, TestBlock } from './bitswap-network.ts'

/** A scripted peer that sends one block after the other, each in its time, and forgets what is cancelled before its turn. */
export class PacedPeer {
  readonly party: ScriptedPeer
  /** Blocks that have left. */
  sent = 0
  readonly #network: BitswapNetwork
  readonly #options: PacedPeerOptions
  readonly #queue: { readonly block: TestBlock; readonly to: Peer }[] = []
  #isSending = false

  constructor(network: BitswapNetwork, options: PacedPeerOptions) {
    this.#network = network
    this.#options = options
    this.party = network.scripted((message, from) => this.#answer(message, from))
  }

  #answer({ wantlist }: BitswapMessage, to: Peer): Partial<BitswapMessage> | undefined {
    const presences: BlockPresence[] = []
    for (const { cid, cancel, wantType } of wantlist) {
      const queued = this.#queue.findIndex(({ block }) => block.cid === cid)
      if (cancel) {
        if (queued >= 0) this.#queue.splice(queued, 1)
        continue
      }
      const block = this.#options.blocks.find((other) => other.cid === cid)
      if (block === undefined) presences.push({ cid, type: 'dont-have' })
      else if (wantType === 'have') presences.push({ cid, type: 'have' })
      else this.#queue.push({ block, to })
    }
    if (!this.#isSending) this.#sendNext()
    return presences.length > 0 ? { presences } : undefined
  }

  #sendNext(): void {
    const next = this.#queue.shift()
    this.#isSending = next !== undefined
    if (next === undefined) return
    this.#network.after(this.#options.msPerBlock, () => {
      this.sent++
      this.party.send(next.to, { blocks: [next.block] })
      this.#sendNext()
    })
  }
}

export interface PacedPeerOptions {
  readonly blocks: readonly TestBlock[]
  readonly msPerBlock: number
}
