import type { Stream } from '@libp2p/interface'
import { BytesMap } from '../../engine/bytes-map.ts'
import { limits } from '../../engine/limits.ts'
import type { OrderId } from '../../engine/machine.ts'
import type { Peer } from '../../engine/peer.ts'
import { encodeFrame } from '../../wire/frame.ts'
import { afterAgreement } from './early-streams.ts'
import { type FrameEnd, readFrames } from './stream-frames.ts'
import { allWritten } from './stream-writes.ts'

/**
 * One outbound Bitswap stream per peer, kept open and reused. Bitswap's streams are one-way: answers come on a stream
 * that the other side opens. The engine has at most one message per peer under way.
 */
export class BitswapChannels {
  readonly #open: OpenBitswap
  readonly #listener: BitswapChannelListener
  readonly #now: () => number
  readonly #streams = new BytesMap<Channel>()
  readonly #sending = new BytesMap<AbortController>()

  constructor(init: {
    open: OpenBitswap
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
      await this.#sendOver(await this.#channelTo(peer, signal, 'newest'), encode, signal).catch(async (error: Error) => {
        if (error.name !== 'UnsupportedProtocolError') throw error
        this.#streams.delete(peer.id)
        await this.#sendOver(await this.#channelTo(peer, signal, 'any'), encode, signal)
      })
    } catch (error) {
      this.#streams.get(peer.id)?.stream.abort(new Error('could not send'))
      this.#streams.delete(peer.id)
      throw error
    } finally {
      if (this.#sending.get(peer.id) === controller) this.#sending.delete(peer.id)
    }
  }

  /** Of the newest version, in the belief that the peer speaks it, or of the newest that both know. */
  async #channelTo(peer: Peer, signal: AbortSignal, version: 'newest' | 'any'): Promise<Channel> {
    const kept = this.#streams.get(peer.id)
    if (kept !== undefined && this.#isFresh(kept)) return kept
    if (kept !== undefined) this.#letGo(peer, kept.stream)
    const stream = await this.#open(peer, signal, version)
    if (signal.aborted) {
      stream.abort(new Error('no longer needed'))
      signal.throwIfAborted()
    }
    const channel = { stream, usedAt: this.#now(), agreed: agreement(stream) }
    this.#streams.set(peer.id, channel)
    stream.addEventListener('close', () => {
      if (this.#streams.get(peer.id)?.stream === stream) this.#streams.delete(peer.id)
    })
    return channel
  }

  async #sendOver({ stream, agreed }: Channel, encode: (protocol: string) => Uint8Array, signal: AbortSignal): Promise<void> {
    stream.send(encodeFrame(encode(stream.protocol)))
    await allWritten(stream, signal)
    await raced(agreed, signal)
  }

  /** The other side may be about to reset a stream that was idle for long: what is sent then is lost without a word. */
  #isFresh(kept: Channel): boolean {
    const idleMs = this.#now() - kept.usedAt
    kept.usedAt = this.#now()
    return kept.stream.writeStatus === 'writable' && idleMs < limits.bitswapStreamIdleMs.value
  }

  #letGo(peer: Peer, stream: Stream): void {
    this.#streams.delete(peer.id)
    void stream.close().catch(() => stream.abort(new Error('idle')))
  }
}

type OpenBitswap = (peer: Peer, signal: AbortSignal, version: 'newest' | 'any') => Promise<Stream>

interface Channel {
  readonly stream: Stream
  usedAt: number
  /** That the peer speaks Bitswap on it. Rejects at most once, and late: whoever sends first waits for it. */
  readonly agreed: Promise<void>
}

/** Nothing else is said on a stream of ours: answers come on one of the peer's. */
function agreement(stream: Stream): Promise<void> {
  const agreed = new Promise<void>((resolve, reject) => {
    const listener = {
      onFrame: () => undefined,
      onEnd: ({ type }: FrameEnd) =>
        reject(Object.assign(new Error(type), type === 'refused' ? { name: 'UnsupportedProtocolError' } : {})),
    }
    readFrames(stream, negotiationBytesMax, afterAgreement(stream, listener, resolve))
  })
  agreed.catch(() => {})
  return agreed
}

/** A line of multistream-select is at most so long. */
const negotiationBytesMax = 1024

async function raced(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const over = new AbortController()
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { signal: over.signal })
  })
  try {
    await Promise.race([promise, aborted])
  } finally {
    over.abort()
  }
}

export interface BitswapChannelListener {
  sent(order: OrderId): void
  failed(order: OrderId, reason: string): void
}
