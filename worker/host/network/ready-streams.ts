import type { Connection, IdentifyResult } from '@libp2p/interface'
import { BytesMap } from '../../engine/bytes-map.ts'
import type { PeerIdBytes } from '../../engine/peer.ts'
import { transportOf } from './transport-name.ts'

/** A peer connection of the shim (`rtc/peer-connection.ts`). */
interface ExpectingConnection {
  expectMessages(count: number): void
}

/**
 * Servers in Go over WebRTC-direct open a stream for each message. Those that are asked for a block may soon be asked for all that is
 * wanted: so many channels are made ready, that the answers need not wait for a page that is blocked. Each is one that the page would
 * have to hand over anyway.
 */
export class ReadyStreams {
  readonly #servers = new BytesMap<ExpectingConnection>()
  /** Peers that were asked, some of them before it was known what they are, and how much they may send. */
  readonly #asked = new BytesMap<number>()

  identified(peer: PeerIdBytes, { agentVersion, connection }: IdentifyResult): void {
    if (!goAgents.test(agentVersion ?? '') || transportOf(connection.remoteAddr) !== 'webrtc-direct') return
    const { peerConnection } = (connection as MuxedConnection).muxer ?? {}
    if (peerConnection?.expectMessages === undefined) return
    this.#servers.set(peer, peerConnection as ExpectingConnection)
    this.#prepare(peer)
  }

  /** For so many blocks, of so many that are wanted from whomever. */
  asked(peer: PeerIdBytes, blocks: number, wanted: number): void {
    if (blocks === 0) return
    this.#asked.set(peer, blocks)
    this.#asked.set(peer, Math.max(blocks, Math.ceil(wanted / this.#asked.size)))
    this.#prepare(peer)
  }

  gone(peer: PeerIdBytes): void {
    this.#asked.delete(peer)
    this.#servers.delete(peer)
  }

  #prepare(peer: PeerIdBytes): void {
    const messages = this.#asked.get(peer)
    if (messages !== undefined) this.#servers.get(peer)?.expectMessages(messages)
  }
}

/** What is built on go-libp2p and says so. */
const goAgents = /^(kubo|go-ipfs|rainbow)\//

/** libp2p's classes have these fields, its interfaces do not name them. */
type MuxedConnection = Connection & { readonly muxer?: { readonly peerConnection?: Partial<ExpectingConnection> } }
