import { RtcBridge, type RtcPort as PagePort } from '../../src/rtc-bridge/bridge.ts'
import type { RtcCommand, RtcReport } from '../../worker/contract/rtc.ts'
import { installRtc } from '../../worker/host/rtc/install.ts'
import type { RtcPeerConnection } from '../../worker/host/rtc/peer-connection.ts'
import { RtcLink, type RtcPort as WorkerPort } from '../../worker/host/rtc/rtc-link.ts'

/** A browser's data channel, as far as the bridge and the shim use it; its far end is the test. */
export class FakeChannel {
  readyState: RTCDataChannelState = 'connecting'
  binaryType: BinaryType = 'blob'
  bufferedAmount = 0
  bufferedAmountLowThreshold = 0
  readonly sent: unknown[] = []
  readonly id: number
  readonly label: string
  readonly init: unknown
  readonly protocol = ''
  onmessage: ((event: { data: unknown }) => void) | null = null
  onopen: (() => void) | null = null
  onclose: (() => void) | null = null
  onerror: ((event: { error: unknown }) => void) | null = null
  onbufferedamountlow: (() => void) | null = null

  constructor(label: string, init?: unknown, id = 7) {
    this.id = id
    this.label = label
    this.init = init
  }

  send(data: unknown): void {
    this.sent.push(data)
  }

  close(): void {
    if (this.readyState !== 'closed') this.readyState = 'closing'
  }

  open(): void {
    this.readyState = 'open'
    this.onopen?.()
  }

  closed(): void {
    this.readyState = 'closed'
    this.onclose?.()
  }
}

/** A browser's peer connection. `FakeConnection.made` has all of a test's. */
export class FakeConnection {
  static made: FakeConnection[] = []
  static refusal: Error | undefined
  static certificates = 0

  static async generateCertificate(): Promise<object> {
    return { certificate: ++FakeConnection.certificates }
  }

  connectionState: RTCPeerConnectionState = 'new'
  localDescription: { type: string; sdp: string } | null = null
  readonly channels: FakeChannel[] = []
  readonly heard: unknown[] = []
  readonly configuration: unknown
  closed = false
  channelRefusal: Error | undefined
  onconnectionstatechange: (() => void) | null = null
  onicecandidate: ((event: { candidate: { toJSON(): object } | null }) => void) | null = null
  ondatachannel: ((event: { channel: FakeChannel }) => void) | null = null

  constructor(configuration: unknown) {
    if (FakeConnection.refusal !== undefined) throw FakeConnection.refusal
    this.configuration = configuration
    FakeConnection.made.push(this)
  }

  createDataChannel(label: string, init?: unknown): FakeChannel {
    if (this.channelRefusal !== undefined) throw this.channelRefusal
    const channel = new FakeChannel(label, init, (init as { id?: number } | undefined)?.id)
    this.channels.push(channel)
    return channel
  }

  async createOffer(): Promise<object> {
    return { type: 'offer', sdp: 'an offer' }
  }

  async createAnswer(): Promise<object> {
    return { type: 'answer', sdp: 'an answer' }
  }

  async setLocalDescription(description: { type: string; sdp: string }): Promise<void> {
    this.localDescription = description
  }

  async setRemoteDescription(description: { sdp: string }): Promise<void> {
    this.heard.push(description)
    if (description.sdp === 'nonsense') throw new DOMException('Cannot parse it.', 'OperationError')
  }

  async addIceCandidate(candidate: unknown): Promise<void> {
    this.heard.push(candidate)
  }

  close(): void {
    this.closed = true
    this.connectionState = 'closed'
  }

  becomes(state: RTCPeerConnectionState): void {
    this.connectionState = state
    this.onconnectionstatechange?.()
  }
}

/** The class that libp2p finds, with the members that tests use. */
export type ShimClass = (new (
  configuration?: object,
) => RtcPeerConnection) & {
  generateCertificate(algorithm: object): Promise<{ handle: number }>
}

export interface RtcPair {
  readonly Shim: ShimClass
  readonly link: RtcLink
  readonly bridge: RtcBridge
  readonly problems: string[]
  /** Channels in the order in which they were transferred. */
  readonly transferred: readonly object[]
  /** From now on the page cannot transfer. */
  refuseTransfer(): void
  /** A message that the Worker cannot read. */
  breakMessage(): void
  /** Until everything posted has arrived and has been answered. */
  settled(): Promise<void>
}

/** Both halves of WebRTC with a port between them that hands channels over, as browsers do and Node does not. */
export function rtcPair(connectionsMax = 8): RtcPair {
  FakeConnection.made = []
  FakeConnection.refusal = undefined
  let refusing = false
  const transferred: object[] = []
  const problems: string[] = []
  const page: PagePort = {
    onmessage: null,
    close: () => undefined,
    postMessage: (message: unknown, transfer?: unknown) => {
      const moved = (transfer ?? []) as object[]
      if (moved.length > 0 && refusing) throw new DOMException('It cannot be transferred.', 'DataCloneError')
      transferred.push(...moved)
      setImmediate(() => worker.onmessage?.({ data: message } as MessageEvent<RtcReport>))
    },
  }
  const worker: WorkerPort = {
    onmessage: null,
    onmessageerror: null,
    close: () => undefined,
    postMessage: (message: unknown) => {
      const cloned = structuredClone(message)
      setImmediate(() => page.onmessage?.({ data: cloned } as MessageEvent<RtcCommand>))
    },
  }
  const link = new RtcLink({ port: worker, connectionsMax, onUnavailable: (problem) => problems.push(problem) })
  const bridge = new RtcBridge(page, FakeConnection as never)
  const scope: { RTCPeerConnection?: ShimClass } = {}
  installRtc(scope)(link)
  return {
    Shim: scope.RTCPeerConnection as ShimClass,
    link,
    bridge,
    problems,
    transferred,
    refuseTransfer: () => {
      refusing = true
    },
    breakMessage: () => worker.onmessageerror?.(new Event('messageerror') as MessageEvent),
    settled: async () => {
      for (let turn = 0; turn < 6; turn++) await new Promise((resolve) => setImmediate(resolve))
    },
  }
}
