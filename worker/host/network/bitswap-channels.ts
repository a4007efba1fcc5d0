import type { Stream } from '@libp2p/interface'
import { BytesMap } from '../../engine/bytes-map.ts'
import { limits } from '../../engine/limits.ts'
import type { OrderId } from '../../engine/machine.ts'
import type { Peer } from '../../engine/peer.ts'
import { encodeFrame } from '../../wire/frame.ts'
import { allWritten } from './stream-writes.ts'

/**
 * One outbound Bitswap stream per peer, kept open and reused. Bitswap's streams are one-way: answers come on a stream
 * that the other side opens. The engine has at most one message per peer under way.
 */
export class BitswapChannels {
  readonly #open: (peer: Peer, signal: AbortSignal) => Promise<Stream>
  readonly #listener: BitswapChannelListener
  readonly #now: () => number
  readonly #streams = new BytesMap<{ readonly stream: Stream; usedAt: number }>()
  readonly #sending = new BytesMap<AbortController>()

  constructor(init: {
    open: (peer: Peer, signal: AbortSignal) => Promise<Stream>
    listener: BitswapChannelListener
    now: () => number
  }) {
    this.#open = init.open
    this.#now = init.now
    this.#listener = init.listener
  }

  /** Ends with `sent` when the message has left for the transport, or with `failed`. `encode`: for the protocol agreed on. */
  send(order: OrderId, peer: Peer, encode: (protocol: string) => Uint8Array): void {
    void this.#send(peer, encode).then(
      () => this.#listener.sent(order),
      (error: unknown) => this.#listener.failed(order, error instanceof Error ? error.name : 'unknown'),
    )
  }

  closePeer(peer: Peer): void {
    this.#sending.get(peer.id)?.abort(new Error('disconnected'))
    this.#streams.get(peer.id)?.stream.abort(new Error('disconnected'))
    this.#streams.delete(peer.id)
  }

  closeAll(): void {
    for (const controller of [...this.#sending.values()]) controller.abort(new Error('stopped'))
    for (const { stream } of [...this.#streams.values()]) stream.abort(new Error('stopped'))
    this.#streams.clear()
  }

  async #send(peer: Peer, encode: (protocol: string) => Uint8Array): Promise<void> {
    const controller = new AbortController()
    this.#sending.set(peer.id, controller)
    const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(limits.bitswapSendTimeoutMs.value)])
    try {
      const stream = await this.#streamTo(peer, signal)
      stream.send(encodeFrame(encode(stream.protocol)))
      await allWritten(stream, signal)
    } catch (error) {
      this.#streams.get(peer.id)?.stream.abort(new Error('could not send'))
      this.#streams.delete(peer.id)
      throw error
    } finally {
      if (this.#sending.get(peer.id) === controller) this.#sending.delete(peer.id)
    }
  }

  async #streamTo(peer: Peer, signal: AbortSignal): Promise<Stream> {
    const kept = this.#streams.get(peer.id)
    if (kept !== undefined && this.#isFresh(kept)) return kept.stream
    if (kept !== undefined) this.#letGo(peer, kept.stream)
    const stream = await this.#open(peer, signal)
    if (signal.aborted) {
      stream.abort(new Error('no longer needed'))
      signal.throwIfAborted()
    }
    this.#streams.set(peer.id, { stream, usedAt: this.#now() })
    stream.addEventListener('close', () => {
      if (this.#streams.get(peer.id)?.stream === stream) this.#streams.delete(peer.id)
    })
    return stream
  }

  /** The other side may be about to reset a stream that was idle for long: what is sent then is lost without a word. */
  #isFresh(kept: { readonly stream: Stream; usedAt: number }): boolean {
    const idleMs = this.#now() - kept.usedAt
    kept.usedAt = this.#now()
    return kept.stream.writeStatus === 'writable' && idleMs < limits.bitswapStreamIdleMs.value
  }

  #letGo(peer: Peer, stream: Stream): void {
    this.#streams.delete(peer.id)
    void stream.close().catch(() => stream.abort(new Error('idle')))
  }
}

export interface BitswapChannelListener {
  sent(order: OrderId): void
  failed(order: OrderId, reason: string): void
}
