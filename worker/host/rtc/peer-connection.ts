import type {
  RtcCandidateInit,
  RtcChannelInit,
  RtcConfigurationData,
  RtcConnectionState,
  RtcDescription,
  RtcFault,
  RtcIceServer,
  RtcId,
  RtcQuestion,
  RtcReport,
  RtcState,
} from '../../contract/rtc.ts'
import { limits } from '../../engine/limits.ts'
import { RtcChannel, type RtcChannelOwner } from './data-channel.ts'
import { HandlerSlots, type RtcHandler } from './handler-slots.ts'
import { ReadyChannels } from './ready-channels.ts'
import type { RtcLink } from './rtc-link.ts'

/** A certificate that is on the page; only its connection can use it. */
export class RtcCertificate {
  readonly handle: RtcId

  constructor(handle: RtcId) {
    this.handle = handle
  }
}

export interface RtcConfiguration {
  readonly iceServers?: readonly RtcIceServer[]
  readonly certificates?: readonly RtcCertificate[]
}

/**
 * The last even one that every browser gives. Even numbers are the dialer's of WebRTC-direct, and a browser takes the lowest that is
 * free; Go's servers count on through the odd ones and use none twice: what they say on one that we hold would be lost.
 */
const watchChannelId = 1_022

/** What a connection is told by the page. */
export type RtcConnectionReport = Exclude<RtcReport, { type: 'answer' | 'refused' }>

/**
 * An `RTCPeerConnection` for libp2p: every member that `@libp2p/webrtc` uses; the real one is on the page.
 *
 *   new ──reports of the page──▶ connecting, connected, disconnected
 *    any ──close()──▶ closed        at once, and without an event, as on a page
 *    any ──failed there──▶ failed   the constructor's errors come late: they cannot be thrown
 *
 * The state that comes with a report is there before anybody is told. What is asked and not answered when the connection
 * closes is rejected; on a page it would hang for ever.
 */
export class RtcPeerConnection extends EventTarget {
  readonly #link: RtcLink
  readonly #id: RtcId
  readonly #slots = new HandlerSlots(this)
  /** Channels asked for and not yet arrived, by their ids. */
  readonly #expected = new Map<RtcId, RtcChannel>()
  readonly #channels = new Set<RtcChannel>()
  readonly #owner: RtcChannelOwner = {
    ended: (channel) => this.#channels.delete(channel),
    // The other side has hung up. Browsers say `disconnected` after seconds and `failed` after half a minute.
    lost: () => this.fail({ name: 'OperationError', message: 'The other side has ended the connection.' }),
  }
  readonly #ready = new ReadyChannels((number) => this.#makeReady(number))
  #state: RtcState = { connectionState: 'new', localDescription: undefined }
  #closed = false
  #isWatched = false

  /** Throws `InvalidStateError` when WebRTC is unavailable or the budget is used up. */
  constructor(link: RtcLink, configuration: RtcConfiguration = {}) {
    super()
    this.#link = link
    this.#id = link.add(this)
    link.post({ type: 'open', connection: this.#id, configuration: plainConfiguration(configuration) })
  }

  get connectionState(): RtcConnectionState {
    return this.#closed ? 'closed' : this.#state.connectionState
  }

  get localDescription(): RtcDescription | null {
    return this.#state.localDescription ?? null
  }

  get onconnectionstatechange(): RtcHandler | null {
    return this.#slots.get('connectionstatechange')
  }

  set onconnectionstatechange(handler: RtcHandler | null) {
    this.#slots.set('connectionstatechange', handler)
  }

  get ondatachannel(): RtcHandler | null {
    return this.#slots.get('datachannel')
  }

  set ondatachannel(handler: RtcHandler | null) {
    this.#slots.set('datachannel', handler)
  }

  get onicecandidate(): RtcHandler | null {
    return this.#slots.get('icecandidate')
  }

  set onicecandidate(handler: RtcHandler | null) {
    this.#slots.set('icecandidate', handler)
  }

  get onicecandidateerror(): RtcHandler | null {
    return this.#slots.get('icecandidateerror')
  }

  /** Never told: libp2p only logs it. */
  set onicecandidateerror(handler: RtcHandler | null) {
    this.#slots.set('icecandidateerror', handler)
  }

  createDataChannel(label: string, init?: RtcChannelInit): RtcChannel {
    return this.#createChannel(label, init, this.#owner)
  }

  /** Ours: so many messages may come, each on a channel of its own (see `ReadyChannels`). */
  expectMessages(count: number): void {
    if (this.connectionState === 'connected') this.#ready.atLeast(count)
  }

  #createChannel(label: string, init: RtcChannelInit | undefined, owner: RtcChannelOwner): RtcChannel {
    this.#requireOpen()
    const id = this.#link.nextId()
    const channel = new RtcChannel(label, init, owner)
    this.#channels.add(channel)
    this.#expected.set(id, channel)
    this.#link.post({ type: 'create-channel', connection: this.#id, channel: id, label, init })
    return channel
  }

  async createOffer(): Promise<RtcDescription> {
    return this.#askDescription('create-offer')
  }

  async createAnswer(): Promise<RtcDescription> {
    return this.#askDescription('create-answer')
  }

  async setLocalDescription(description?: RtcDescription): Promise<void> {
    await this.#ask({ ask: 'set-local-description', connection: this.#id, description: plainDescription(description) })
  }

  async setRemoteDescription(description: RtcDescription): Promise<void> {
    await this.#ask({ ask: 'set-remote-description', connection: this.#id, description: plainDescription(description) })
  }

  async addIceCandidate(candidate?: RtcCandidateInit | RtcIceCandidate): Promise<void> {
    const data = candidate instanceof RtcIceCandidate ? candidate.toJSON() : candidate
    await this.#ask({ ask: 'add-ice-candidate', connection: this.#id, candidate: data })
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#link.remove(this.#id)
    this.#endChannels()
    // Pages have no such event; libp2p waits for it to let go of its own listeners.
    queueMicrotask(() => this.dispatchEvent(new Event('close')))
  }

  /** For the link: what the page says of this connection. */
  take(report: RtcConnectionReport): void {
    // Said before the page heard of the end. A channel on its way here is nobody's then.
    if (this.#closed) {
      if (report.type === 'channel') report.transferred.close()
      return
    }
    if (report.type !== 'failed') this.#state = report.state
    if (this.#state.connectionState === 'connected') this.#watch()
    switch (report.type) {
      case 'state':
        this.dispatchEvent(new Event('connectionstatechange'))
        break
      case 'candidate': {
        const candidate = report.candidate === undefined ? null : new RtcIceCandidate(report.candidate)
        this.dispatchEvent(Object.assign(new Event('icecandidate'), { candidate }))
        break
      }
      case 'channel':
        this.#takeChannel(report)
        break
      case 'failed':
        this.#takeFailure(report.channel, report.fault)
        break
    }
  }

  /** For the link: the page will not answer any more. */
  fail(fault: RtcFault): void {
    if (this.#closed || this.#state.connectionState === 'failed') return
    this.#state = { ...this.#state, connectionState: 'failed' }
    this.#link.rejectAsked(this.#id, fault)
    for (const channel of [...this.#channels]) channel.fail(fault)
    this.#expected.clear()
    this.dispatchEvent(new Event('connectionstatechange'))
  }

  /**
   * That the other side has hung up is told on the channels that are open, and there may be none just then, but for this one.
   * Negotiated means that the browser says nothing of it to the other side, which need not have it.
   */
  #watch(): void {
    if (this.#isWatched) return
    this.#isWatched = true
    const watch = this.createDataChannel('', { negotiated: true, id: watchChannelId })
    // If the other side has its like, that one is closed a moment before the association, and this one with it.
    watch.onopen = () => {
      watch.onclose = this.#owner.lost
    }
  }

  #takeChannel({ channel: id, transferred }: Extract<RtcReport, { type: 'channel' }>): void {
    if (id !== undefined) {
      const expected = this.#expected.get(id)
      this.#expected.delete(id)
      expected?.bind(transferred)
      return
    }
    const channel = new RtcChannel(transferred.label, { protocol: transferred.protocol }, this.#owner)
    this.#channels.add(channel)
    channel.bind(transferred)
    this.#tellChannel(channel)
  }

  #makeReady(number: number): RtcChannel {
    const owner = {
      ...this.#owner,
      ended: (channel: RtcChannel): void => {
        this.#ready.gone(number)
        this.#owner.ended(channel)
      },
      spoken: (channel: RtcChannel): void => this.#tellChannel(channel),
    }
    return this.#createChannel('', { negotiated: true, id: number }, owner)
  }

  /** The other side has opened it. */
  #tellChannel(channel: RtcChannel): void {
    const number = channel.id ?? 0
    this.#ready.used(number)
    if (this.#isUsedUp(number)) this.fail({ name: 'OperationError', message: 'The connection is used up.' })
    else this.dispatchEvent(Object.assign(new Event('datachannel'), { channel }))
  }

  /**
   * Pion (Go) resets several streams at a time where RFC 6525 allows one; once the browser asks it to wait, it takes the refusals
   * that follow for success, and no channel of the connection ever closes again. And it uses no number twice.
   */
  #isUsedUp(number: number): boolean {
    return this.#channels.size > limits.rtcChannelsMax.value || number >= limits.rtcChannelNumberMax.value
  }

  #takeFailure(id: RtcId | undefined, fault: RtcFault): void {
    if (id === undefined) {
      this.fail(fault)
      return
    }
    const expected = this.#expected.get(id)
    this.#expected.delete(id)
    expected?.fail(fault)
  }

  #endChannels(): void {
    const channels = [...this.#channels]
    this.#expected.clear()
    // Not within `close()`: whoever closes the connection does not expect to be told before it returns.
    queueMicrotask(() => {
      for (const channel of channels) channel.end()
    })
  }

  async #askDescription(ask: 'create-offer' | 'create-answer'): Promise<RtcDescription> {
    const description = await this.#ask({ ask, connection: this.#id })
    return { type: description?.type ?? 'offer', sdp: description?.sdp }
  }

  async #ask(question: RtcQuestion): Promise<RtcDescription | undefined> {
    this.#requireOpen()
    const answer = await this.#link.ask(question, this.#id)
    if (answer.state !== undefined) this.#state = answer.state
    if (answer.fault !== undefined) throw new DOMException(answer.fault.message, answer.fault.name)
    return answer.description
  }

  #requireOpen(): void {
    if (this.#closed) throw new DOMException('The connection is closed.', 'InvalidStateError')
  }
}

export class RtcIceCandidate {
  readonly candidate: string
  readonly #init: RtcCandidateInit

  constructor(init: RtcCandidateInit = {}) {
    this.#init = init
    this.candidate = init.candidate ?? ''
  }

  toJSON(): RtcCandidateInit {
    return { ...this.#init }
  }
}

export class RtcSessionDescription implements RtcDescription {
  readonly type: RtcDescription['type']
  readonly sdp: string

  constructor(init: RtcDescription) {
    this.type = init.type
    this.sdp = init.sdp ?? ''
  }
}

function plainConfiguration({ iceServers, certificates }: RtcConfiguration): RtcConfigurationData {
  return {
    ...(iceServers === undefined ? {} : { iceServers }),
    ...(certificates === undefined ? {} : { certificates: certificates.map(({ handle }) => handle) }),
  }
}

function plainDescription(description: RtcDescription | undefined): RtcDescription | undefined {
  return description === undefined ? undefined : { type: description.type, sdp: description.sdp }
}
