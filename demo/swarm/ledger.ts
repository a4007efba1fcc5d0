import type { PeerId } from '@libp2p/interface'

/** What one server has heard of one peer: counted where it arrives, whatever the peer itself believes. */
export interface Heard {
  readonly server: string
  /** That the peer has opened to it, relayed ones apart. */
  readonly connections: number
  /** ADD_PROVIDER messages. */
  readonly messages: number
  /** Contents that they were about. */
  readonly contents: number
  /** Messages about the content that came most often. */
  readonly mostOfOne: number
}

interface Account {
  connections: number
  readonly contents: Map<string, number>
}

/** Each server keeps one. */
export class Ledger {
  readonly #server: string
  readonly #accounts = new Map<string, Account>()

  constructor(server: PeerId) {
    this.#server = server.toString()
  }

  connected(peer: PeerId): void {
    this.#of(peer).connections++
  }

  provided(peer: PeerId, multihash: Uint8Array): void {
    const { contents } = this.#of(peer)
    const name = nameOf(multihash)
    contents.set(name, (contents.get(name) ?? 0) + 1)
  }

  /** How often the peer said that it provides this. */
  timesOf(peer: string, multihash: Uint8Array): number {
    return this.#accounts.get(peer)?.contents.get(nameOf(multihash)) ?? 0
  }

  heardOf(peer: string): Heard {
    const { connections = 0, contents = new Map<string, number>() } = this.#accounts.get(peer) ?? {}
    let [messages, mostOfOne] = [0, 0]
    for (const times of contents.values()) {
      messages += times
      mostOfOne = Math.max(mostOfOne, times)
    }
    return { server: this.#server, connections, messages, contents: contents.size, mostOfOne }
  }

  #of(peer: PeerId): Account {
    const account = this.#accounts.get(peer.toString()) ?? { connections: 0, contents: new Map() }
    this.#accounts.set(peer.toString(), account)
    return account
  }
}

function nameOf(multihash: Uint8Array): string {
  return Buffer.from(multihash).toString('base64')
}
