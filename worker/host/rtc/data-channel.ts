import type { RtcChannelInit, RtcFault } from '../../contract/rtc.ts'
import { limits } from '../../engine/limits.ts'
import { HandlerSlots, type RtcEvent, type RtcHandler } from './handler-slots.ts'

export interface RtcChannelOwner {
  /** Once, before `close` is told. */
  ended(channel: RtcChannel): void
  /** The association that carries all channels of the connection has ended. */
  lost(): void
  /** The other side says its first word, and nobody has taken the channel. */
  spoken?(channel: RtcChannel): void
}

/**
 * An `RTCDataChannel` for libp2p, there before the real one has been transferred.
 *
 *   connecting ──bind──▶ as the real one ──closed there──▶ closed
 *      │                        └──connection closed──▶ closed
 *      └──close()──▶ closing ──bind──▶ closed
 *
 * Handlers go to the real channel in the task in which it arrives: a message that came with it is not lost. Nor is one that
 * comes before libp2p has set `onmessage`, by which alone messages are told: what the page answers may be later than what the
 * other side says. Knows nothing of connections.
 */
export class RtcChannel extends EventTarget {
  readonly label: string
  readonly protocol: string
  readonly negotiated: boolean
  readonly #slots = new HandlerSlots(this)
  readonly #requestedId: number | null
  readonly #owner: RtcChannelOwner
  #inner: RTCDataChannel | undefined
  #phase: 'alive' | 'closing' | 'closed' = 'alive'
  #openTold = false
  #errorTold = false
  #binaryType: BinaryType = 'arraybuffer'
  #lowThreshold = 0
  #onmessage: RtcHandler | null = null
  /** Messages that nobody has taken yet, in their order. */
  readonly #early: (MessageEvent & RtcEvent)[] = []
  #isTaken = false

  constructor(label: string, init: RtcChannelInit | undefined, owner: RtcChannelOwner) {
    super()
    this.label = label
    this.protocol = init?.protocol ?? ''
    this.negotiated = init?.negotiated ?? false
    this.#requestedId = init?.id ?? null
    this.#owner = owner
  }

  get id(): number | null {
    return this.#inner?.id ?? this.#requestedId
  }

  get readyState(): RTCDataChannelState {
    if (this.#phase === 'closed') return 'closed'
    return this.#inner?.readyState ?? (this.#phase === 'closing' ? 'closing' : 'connecting')
  }

  get bufferedAmount(): number {
    return this.#inner?.bufferedAmount ?? 0
  }

  get bufferedAmountLowThreshold(): number {
    return this.#lowThreshold
  }

  set bufferedAmountLowThreshold(bytes: number) {
    this.#lowThreshold = bytes
    if (this.#inner !== undefined) this.#inner.bufferedAmountLowThreshold = bytes
  }

  get binaryType(): BinaryType {
    return this.#binaryType
  }

  set binaryType(type: BinaryType) {
    this.#binaryType = type
    if (this.#inner !== undefined) this.#inner.binaryType = type
  }

  get onmessage(): RtcHandler | null {
    return this.#onmessage
  }

  set onmessage(handler: RtcHandler | null) {
    this.#onmessage = handler
    if (handler !== null) this.#isTaken = true
    if (this.#early.length > 0) queueMicrotask(() => this.#tellEarly())
  }

  get onopen(): RtcHandler | null {
    return this.#slots.get('open')
  }

  set onopen(handler: RtcHandler | null) {
    this.#slots.set('open', handler)
  }

  get onclose(): RtcHandler | null {
    return this.#slots.get('close')
  }

  set onclose(handler: RtcHandler | null) {
    this.#slots.set('close', handler)
  }

  get onerror(): RtcHandler | null {
    return this.#slots.get('error')
  }

  set onerror(handler: RtcHandler | null) {
    this.#slots.set('error', handler)
  }

  get onbufferedamountlow(): RtcHandler | null {
    return this.#slots.get('bufferedamountlow')
  }

  set onbufferedamountlow(handler: RtcHandler | null) {
    this.#slots.set('bufferedamountlow', handler)
  }

  send(data: ArrayBuffer | ArrayBufferView<ArrayBuffer>): void {
    if (this.#inner === undefined || this.#phase === 'closed') {
      throw new DOMException(`The data channel is ${this.readyState}.`, 'InvalidStateError')
    }
    this.#inner.send(data as ArrayBuffer)
  }

  close(): void {
    if (this.#phase !== 'alive') return
    this.#phase = 'closing'
    this.#inner?.close()
  }

  /**
   * libp2p waits for `open`, and then for `close`, of the channel named `init`, and begins to wait after it has looked at
   * the state. The other side closes that channel as soon as it sees it, so both may be over by then, natively too, and
   * the dial would end in a time-out: here they are told again to whoever comes late.
   */
  override addEventListener(...args: Parameters<EventTarget['addEventListener']>): void {
    super.addEventListener(...args)
    const [type, listener] = args
    if (this.label !== 'init' || listener === null) return
    const isOver = (type === 'open' && this.#openTold) || (type === 'close' && this.#phase === 'closed')
    if (!isOver) return
    queueMicrotask(() => {
      if (typeof listener === 'function') listener.call(this, new Event(type))
      else listener.handleEvent(new Event(type))
    })
  }

  /** The real channel has arrived. */
  bind(inner: RTCDataChannel): void {
    if (this.#phase !== 'alive') {
      inner.close()
      this.end()
      return
    }
    this.#inner = inner
    inner.binaryType = this.#binaryType
    inner.bufferedAmountLowThreshold = this.#lowThreshold
    inner.onmessage = (event) => this.#take(event as MessageEvent & RtcEvent)
    inner.onopen = () => this.#tellOpen()
    inner.onclose = () => this.end()
    inner.onerror = (event) => {
      const { error } = event as Event & { error?: { errorDetail?: string } }
      this.#tellError(error)
      if (error?.errorDetail === 'sctp-failure') this.#owner.lost()
    }
    inner.onbufferedamountlow = () => this.dispatchEvent(new Event('bufferedamountlow'))
    // It may have opened, or ended, on its way here.
    queueMicrotask(() => {
      if (inner.readyState === 'open') this.#tellOpen()
      if (inner.readyState === 'closed') this.end()
    })
  }

  fail(fault: RtcFault): void {
    this.#tellError(new DOMException(fault.message, fault.name))
    this.end()
  }

  /** Closed, whether the other side knows or not. */
  end(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#inner?.close()
    this.#owner.ended(this)
    this.dispatchEvent(new Event('close'))
  }

  #take(event: MessageEvent & RtcEvent): void {
    if (this.#isTaken && this.#early.length === 0) {
      this.#onmessage?.(event)
      return
    }
    this.#early.push(event)
    if (this.#early.length === 1 && !this.#isTaken) this.#owner.spoken?.(this)
    if (this.#early.length > limits.rtcEarlyMessagesMax.value) {
      this.#early.length = 0
      this.fail({ name: 'OperationError', message: 'Nobody takes what the other side says.' })
    }
  }

  #tellEarly(): void {
    while (this.#onmessage !== null && this.#early.length > 0) this.#onmessage(this.#early.shift()!)
  }

  #tellError(error: unknown): void {
    if (this.#errorTold || this.#phase === 'closed') return
    this.#errorTold = true
    this.dispatchEvent(Object.assign(new Event('error'), { error }))
  }

  #tellOpen(): void {
    if (this.#openTold || this.#phase === 'closed') return
    this.#openTold = true
    this.dispatchEvent(new Event('open'))
  }
}
