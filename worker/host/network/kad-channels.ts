import type { Stream } from '@libp2p/interface'
import { BytesMap } from '../../engine/bytes-map.ts'
import type { RequestFailure } from '../../engine/kad/contract.ts'
import { limits } from '../../engine/limits.ts'
import type { OrderId } from '../../engine/machine.ts'
import type { Peer } from '../../engine/peer.ts'
import { encodeFrame } from '../../wire/frame.ts'
import { afterAgreement } from './early-streams.ts'
import { readFrames, type FrameEnd } from './stream-frames.ts'

/**
 * One kad stream per peer, reused. Requests are written as they come, without waiting for the answer before: servers
 * answer in order. A stream that a server closed while it was idle is replaced without the engine noticing.
 *
 *   (none) ──request──▶ opening ──▶ open ──close, reset, bad frame──▶ (none)
 *
 * libp2p-kad-dht in Go and js both read request after request from one stream; js ends it after 10 s without one.
 */
export class KadChannels {
  readonly #open: (peer: Peer, signal: AbortSignal) => Promise<Stream>
  readonly #listener: KadChannelListener
  readonly #now: () => number
  readonly #channels = new BytesMap<Channel>()
  readonly #byOrder = new Map<OrderId, Channel>()

  constructor(init: {
    open: (peer: Peer, signal: AbortSignal) => Promise<Stream>
    listener: KadChannelListener
    now: () => number
  }) {
    this.#open = init.open
    this.#listener = init.listener
    this.#now = init.now
  }

  /** `answered`: whether the server answers this message at all (ADD_PROVIDER it never does). */
  send(order: OrderId, peer: Peer, bytes: Uint8Array, answered: boolean): void {
    const exchange: Exchange = { order, bytes, answered, retried: false, cancelled: false, sentAt: undefined }
    this.#enqueue(peer, exchange)
  }

  /** The answer is no longer waited for. One that still comes is passed over, so that later ones keep their order. */
  cancel(order: OrderId): void {
    const channel = this.#byOrder.get(order)
    if (channel === undefined) return
    this.#byOrder.delete(order)
    const exchange = channel.exchanges.find((candidate) => candidate.order === order)
    if (exchange !== undefined) exchange.cancelled = true
  }

  /** The peer is gone. */
  closePeer(peer: Peer): void {
    const channel = this.#channels.get(peer.id)
    if (channel !== undefined) this.#close(channel, 'disconnected')
  }

  closeAll(): void {
    for (const channel of [...this.#channels.values()]) this.#close(channel, 'disconnected')
  }

  #enqueue(peer: Peer, exchange: Exchange): void {
    let channel = this.#channels.get(peer.id)
    if (channel !== undefined && this.#isStuck(channel)) {
      this.#close(channel, 'timeout')
      channel = undefined
    }
    if (channel === undefined) {
      channel = { peer, stream: undefined, opening: new AbortController(), exchanges: [], answers: 0, unanswered: 0 }
      this.#channels.set(peer.id, channel)
      void this.#openStream(channel)
    }
    channel.exchanges.push(exchange)
    this.#byOrder.set(exchange.order, channel)
    if (channel.stream !== undefined) this.#write(channel, channel.stream, exchange)
  }

  /** The request whose answer is next was given up some time ago: nothing behind it would be answered soon either. */
  #isStuck(channel: Channel): boolean {
    const head = channel.exchanges[0]
    return head !== undefined && head.cancelled && head.sentAt !== undefined && this.#now() - head.sentAt > stuckAfterMs
  }

  async #openStream(channel: Channel): Promise<void> {
    const signal = AbortSignal.any([channel.opening.signal, AbortSignal.timeout(limits.kadStreamOpenTimeoutMs.value)])
    let stream: Stream
    try {
      stream = await this.#open(channel.peer, signal)
    } catch (error) {
      this.#close(channel, failureOf(error))
      return
    }
    if (this.#channels.get(channel.peer.id) !== channel) {
      stream.abort(new Error('no longer needed'))
      return
    }
    channel.stream = stream
    const listener = {
      onFrame: (frame: Uint8Array) => this.#received(channel, frame),
      onEnd: (end: FrameEnd) => this.#ended(channel, end),
    }
    readFrames(stream, limits.frameBytesMax.value, afterAgreement(stream, listener))
    for (const exchange of [...channel.exchanges]) this.#write(channel, stream, exchange)
  }

  #write(channel: Channel, stream: Stream, exchange: Exchange): void {
    if (exchange.sentAt !== undefined || this.#channels.get(channel.peer.id) !== channel) return
    exchange.sentAt = this.#now()
    try {
      // Requests are small and bounded in number by the engine, so that the stream's own buffer can take them.
      stream.send(encodeFrame(exchange.bytes))
    } catch {
      this.#ended(channel, { type: 'reset' })
      return
    }
    if (exchange.answered) return
    channel.unanswered++
    remove(channel.exchanges, exchange)
    if (this.#byOrder.delete(exchange.order)) this.#listener.noticeSent(exchange.order)
  }

  #received(channel: Channel, frame: Uint8Array): void {
    channel.answers++
    channel.unanswered = 0
    const exchange = channel.exchanges.shift()
    if (exchange === undefined) return this.#listener.unexpectedFrame()
    if (exchange.cancelled) return this.#listener.lateFrame()
    this.#byOrder.delete(exchange.order)
    this.#listener.answered(exchange.order, frame)
  }

  #ended(channel: Channel, end: FrameEnd): void {
    if (this.#channels.get(channel.peer.id) !== channel) return
    if (end.type === 'bad-frame') this.#listener.badFrame(end.reason)
    // An idle stream that the server closed at the very moment we wrote: once more, on a new one. Not behind messages that are
    // not answered: whoever asks then wants to know whether those have arrived.
    const isIdle = end.type !== 'bad-frame' && channel.answers > 0 && channel.unanswered === 0
    const retry = isIdle ? channel.exchanges.filter(isRetriable) : []
    for (const exchange of retry) remove(channel.exchanges, exchange)
    this.#close(channel, failureOfEnd(end))
    for (const exchange of retry) this.#enqueue(channel.peer, { ...exchange, retried: true, sentAt: undefined })
  }

  #close(channel: Channel, reason: RequestFailure): void {
    this.#channels.delete(channel.peer.id)
    channel.opening.abort()
    channel.stream?.abort(new Error(reason))
    for (const exchange of channel.exchanges.splice(0)) {
      if (this.#byOrder.delete(exchange.order)) this.#listener.failed(exchange.order, reason)
    }
  }
}

export interface KadChannelListener {
  answered(order: OrderId, frame: Uint8Array): void
  noticeSent(order: OrderId): void
  failed(order: OrderId, reason: RequestFailure): void
  /** An answer to a request that was cancelled. */
  lateFrame(): void
  /** Bytes that are no frame; they cost the stream. */
  badFrame(reason: string): void
  /** A frame that answers nothing. */
  unexpectedFrame(): void
}

interface Channel {
  readonly peer: Peer
  stream: Stream | undefined
  readonly opening: AbortController
  /** Not yet answered, in the order in which they were written. */
  readonly exchanges: Exchange[]
  answers: number
  /** Messages without an answer of their own, since the last answer to another. */
  unanswered: number
}

interface Exchange {
  readonly order: OrderId
  readonly bytes: Uint8Array
  readonly answered: boolean
  readonly retried: boolean
  cancelled: boolean
  sentAt: number | undefined
}

const stuckAfterMs = 1_000

function isRetriable(exchange: Exchange): boolean {
  return !exchange.retried && !exchange.cancelled
}

function remove(exchanges: Exchange[], exchange: Exchange): void {
  const index = exchanges.indexOf(exchange)
  if (index >= 0) exchanges.splice(index, 1)
}

function failureOfEnd(end: FrameEnd): RequestFailure {
  if (end.type === 'refused') return 'unsupported'
  if (end.type !== 'bad-frame') return 'reset'
  return end.reason === 'oversized' ? 'oversized' : 'malformed'
}

function failureOf(error: unknown): RequestFailure {
  const name = error instanceof Error ? error.name : ''
  if (name === 'UnsupportedProtocolError') return 'unsupported'
  if (name === 'TimeoutError' || name === 'AbortError') return 'timeout'
  return 'disconnected'
}
