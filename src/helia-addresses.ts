import type { GivenPeer } from './foreign.ts'
import { Turns } from './turns.ts'
import type { AminoClient } from './types.ts'

/** Searches at once; each takes a place of the client's `operationsMax`. */
const searchesMax = 4
/** Peers remembered or searched for; where all are being searched for, a want goes on without a further one. */
const peersMax = 256
/** How long an answer is believed, and that there was none, in milliseconds. */
const knownMs = 60_000
const unknownMs = 15_000

interface Search {
  readonly id: string
  /** The wants that wait for its end. */
  readonly waiting: Set<(found: GivenPeer | undefined) => void>
  found: GivenPeer | undefined
  /** Once it has ended. */
  forgetAt: number | undefined
}

/** Where peers are that Helia names by their ids alone: one search a peer, however many wants ask for it. */
export class PeerAddresses {
  readonly #running: () => AminoClient
  readonly #turns = new Turns(searchesMax)
  readonly #searches = new Map<string, Search>()
  #stopping = new AbortController()

  constructor(running: () => AminoClient) {
    this.#running = running
  }

  /** With its addresses, if they were found lately. */
  known(peer: GivenPeer): GivenPeer {
    return peer.multiaddrs.length > 0 ? peer : (this.#remembered(peer.id)?.found ?? peer)
  }

  /** `undefined` where it cannot be found, and when the signal ends the waiting; never rejects. */
  find(peer: GivenPeer, signal: AbortSignal): Promise<GivenPeer | undefined> {
    const known = this.known(peer)
    if (known.multiaddrs.length > 0) return Promise.resolve(known)
    const search = this.#remembered(peer.id) ?? this.#added(peer.id)
    if (search === undefined || search.forgetAt !== undefined || signal.aborted) return Promise.resolve(search?.found)
    return new Promise((resolve) => {
      const settle = (found: GivenPeer | undefined): void => {
        search.waiting.delete(settle)
        signal.removeEventListener('abort', leave)
        resolve(found)
      }
      const leave = (): void => settle(undefined)
      search.waiting.add(settle)
      signal.addEventListener('abort', leave)
    })
  }

  stop(): void {
    this.#stopping.abort()
    this.#stopping = new AbortController()
    this.#searches.clear()
  }

  #remembered(id: string): Search | undefined {
    const search = this.#searches.get(id)
    if (search?.forgetAt === undefined || Date.now() < search.forgetAt) return search
    this.#searches.delete(id)
    return undefined
  }

  #added(id: string): Search | undefined {
    if (this.#searches.size >= peersMax) {
      const oldest = [...this.#searches.values()].find(({ forgetAt }) => forgetAt !== undefined)
      if (oldest === undefined) return undefined
      this.#searches.delete(oldest.id)
    }
    const search: Search = { id, waiting: new Set(), found: undefined, forgetAt: undefined }
    this.#searches.set(id, search)
    void this.#run(search, this.#stopping.signal)
    return search
  }

  /** To its end, although the wants that began it may be over: the next ones of the DAG want the same peer. */
  async #run(search: Search, signal: AbortSignal): Promise<void> {
    const { id, waiting } = search
    const lookUp = async (): Promise<GivenPeer | undefined> => {
      // Who began it is among the waiting by then.
      await Promise.resolve()
      if (waiting.size > 0) return this.#running().findPeer(id, { signal })
      // All have left before its turn.
      if (this.#searches.get(id) === search) this.#searches.delete(id)
      return undefined
    }
    search.found = await this.#turns.run(signal, lookUp).catch(() => undefined)
    search.forgetAt = Date.now() + (search.found === undefined ? unknownMs : knownMs)
    for (const settle of [...waiting]) settle(search.found)
  }
}
