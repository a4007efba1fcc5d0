import type { Stream } from '@libp2p/interface'
import type { EngineEvent } from '../../engine/contract.ts'
import type { ExchangeId } from '../../engine/kad/contract.ts'
import type { KadResponse } from '../../engine/kad/message.ts'
import { limits } from '../../engine/limits.ts'
import type { Peer } from '../../engine/peer.ts'
import { encodeFrame } from '../../wire/frame.ts'
import { type AddressReader, decodeKadRequest, encodeKadResponse } from '../../wire/kad.ts'
import { readFrames } from './stream-frames.ts'
import { allWritten } from './stream-writes.ts'

/**
 * Streams on which other peers ask us. Of one stream a request is read after the answer before has left, so that nobody
 * can make answers pile up; what is no request, and what the engine refuses, costs the stream. (Go resets it, too)
 */
export class KadServer {
  readonly #init: KadServerInit
  readonly #exchanges = new Map<ExchangeId, Exchange>()
  #nextExchange = 1

  constructor(init: KadServerInit) {
    this.#init = init
  }

  serve(stream: Stream, peer: Peer): void {
    readFrames(stream, limits.kadRequestBytesMax.value, {
      onFrame: (frame) => this.#received(stream, peer, frame),
      onEnd: (end) => {
        if (end.type === 'bad-frame') this.#init.drop(`kad-request-${end.reason}`)
        else if (stream.status === 'open') void stream.close().catch(() => stream.abort(new Error('could not close')))
      },
    })
  }

  respond(exchange: ExchangeId, response: KadResponse): void {
    const { stream, settle } = this.#take(exchange)
    if (stream === undefined) return
    void send(stream, encodeKadResponse(response)).then(settle)
  }

  refuse(exchange: ExchangeId): void {
    const { stream, settle } = this.#take(exchange)
    stream?.abort(new Error('request refused'))
    settle()
  }

  #received(stream: Stream, peer: Peer, frame: Uint8Array): void | Promise<void> {
    const decoded = decodeKadRequest(frame, this.#init.readAddress, peer.id)
    if (!decoded.ok) {
      this.#init.drop(`kad-request-${decoded.reason}`)
      stream.abort(new Error(`request refused: ${decoded.reason}`))
      return undefined
    }
    const exchange = this.#nextExchange++ as ExchangeId
    const event: EngineEvent = { type: 'request-received', exchange, from: peer, request: decoded.message }
    if (decoded.message.type === 'add-provider') return this.#init.dispatch(event)
    return new Promise((settle) => {
      this.#exchanges.set(exchange, { stream, settle })
      this.#init.dispatch(event)
    })
  }

  #take(exchange: ExchangeId): Exchange | { readonly stream: undefined; readonly settle: () => void } {
    const found = this.#exchanges.get(exchange)
    this.#exchanges.delete(exchange)
    return found ?? { stream: undefined, settle: () => undefined }
  }
}

export interface KadServerInit {
  readonly readAddress: AddressReader
  readonly dispatch: (event: EngineEvent) => void
  /** Counts what was no request, by reason. */
  readonly drop: (reason: string) => void
}

interface Exchange {
  readonly stream: Stream
  readonly settle: () => void
}

/** Never rejects: whoever does not take our answer loses the stream. */
async function send(stream: Stream, bytes: Uint8Array): Promise<void> {
  try {
    stream.send(encodeFrame(bytes))
    await allWritten(stream, AbortSignal.timeout(limits.kadRequestTimeoutMs.value))
  } catch {
    stream.abort(new Error('could not answer'))
  }
}
