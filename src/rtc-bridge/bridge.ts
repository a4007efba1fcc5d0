import type {
  RtcCandidateInit,
  RtcCommand,
  RtcDescription,
  RtcFault,
  RtcId,
  RtcQuestion,
  RtcReport,
  RtcState,
} from '../../worker/contract/rtc.ts'
import { rtcCertificatesMax } from '../../worker/contract/limits.ts'

/** What the bridge needs of a `MessagePort`. */
export type RtcPort = Pick<MessagePort, 'postMessage' | 'close'> & {
  onmessage: ((event: MessageEvent<RtcCommand>) => void) | null
}

export type PeerConnectionClass = Pick<typeof RTCPeerConnection, 'generateCertificate'> &
  (new (
    configuration?: RTCConfiguration,
  ) => RTCPeerConnection)

/**
 * The page's half of WebRTC: owns the real peer connections and does what the Worker's shim says (`contract/rtc.ts`).
 *
 *   open ──close(id) | constructor throws──▶ forgotten
 *   all ──close()──▶ closed, port closed        the Worker has ended: nobody else would ever hang up
 *
 * Every handler that makes or receives a channel transfers it before it returns: later is too late. Knows nothing of
 * libp2p; keeps no bytes and no timers.
 */
export class RtcBridge {
  readonly #port: RtcPort
  readonly #Connection: PeerConnectionClass
  readonly #connections = new Map<RtcId, RTCPeerConnection>()
  /** The oldest go first: libp2p makes one for each dial and uses it at once. */
  readonly #certificates = new Map<RtcId, RTCCertificate>()

  constructor(port: RtcPort, Connection: PeerConnectionClass) {
    this.#port = port
    this.#Connection = Connection
    port.onmessage = (event) => this.#take(event.data)
  }

  close(): void {
    this.#port.onmessage = null
    this.#port.close()
    for (const id of [...this.#connections.keys()]) this.#close(id)
    this.#certificates.clear()
  }

  #take(command: RtcCommand): void {
    switch (command.type) {
      case 'open':
        this.#open(command)
        break
      case 'create-channel':
        this.#createChannel(command)
        break
      case 'close':
        this.#close(command.connection)
        break
      case 'ask':
        void this.#answer(command)
        break
    }
  }

  #open({ connection, configuration }: Extract<RtcCommand, { type: 'open' }>): void {
    try {
      // Without any, the lists are what a browser takes by itself.
      const { certificates = [], iceServers = [] } = configuration
      const made = new this.#Connection({
        iceServers: iceServers as RTCIceServer[],
        certificates: certificates.map((id) => this.#certificate(id)),
      })
      this.#connections.set(connection, made)
      made.onconnectionstatechange = () => this.#post({ type: 'state', connection, state: stateOf(made) })
      made.onicecandidate = ({ candidate }) => {
        const data = candidate === null ? undefined : (candidate.toJSON() as RtcCandidateInit)
        this.#post({ type: 'candidate', connection, candidate: data, state: stateOf(made) })
      }
      made.ondatachannel = ({ channel }) => this.#transfer(connection, undefined, channel, stateOf(made))
    } catch (error) {
      this.#post({ type: 'failed', connection, channel: undefined, fault: faultOf(error) })
    }
  }

  #createChannel({ connection, channel, label, init }: Extract<RtcCommand, { type: 'create-channel' }>): void {
    const owner = this.#connections.get(connection)
    // Closed in the meantime: the Worker has been told, or has said so itself.
    if (owner === undefined) return
    try {
      this.#transfer(connection, channel, owner.createDataChannel(label, init), stateOf(owner))
    } catch (error) {
      this.#post({ type: 'failed', connection, channel, fault: faultOf(error) })
    }
  }

  #transfer(connection: RtcId, channel: RtcId | undefined, transferred: RTCDataChannel, state: RtcState): void {
    try {
      // The type list of some versions of lib.dom lacks the channel; browsers have it.
      this.#post({ type: 'channel', connection, channel, transferred, state }, [transferred as unknown as Transferable])
    } catch (error) {
      transferred.close()
      this.#post({ type: 'refused', fault: faultOf(error) })
    }
  }

  #close(id: RtcId): void {
    const connection = this.#connections.get(id)
    this.#connections.delete(id)
    if (connection === undefined) return
    // Nothing is told of it any more: the Worker has closed it already.
    connection.onconnectionstatechange = connection.onicecandidate = connection.ondatachannel = null
    connection.close()
  }

  async #answer({ call, question }: Extract<RtcCommand, { type: 'ask' }>): Promise<void> {
    const owner = 'connection' in question ? this.#connections.get(question.connection) : undefined
    let description: RtcDescription | undefined
    let fault: RtcFault | undefined
    try {
      description = await this.#ask(question, owner)
    } catch (error) {
      fault = faultOf(error)
    }
    this.#post({ type: 'answer', call, fault, description, state: owner === undefined ? undefined : stateOf(owner) })
  }

  async #ask(question: RtcQuestion, owner: RTCPeerConnection | undefined): Promise<RtcDescription | undefined> {
    if (question.ask === 'generate-certificate') {
      const algorithm = question.algorithm as unknown as AlgorithmIdentifier
      this.#keep(question.certificate, await this.#Connection.generateCertificate(algorithm))
      return undefined
    }
    if (owner === undefined) throw new DOMException('The connection is closed.', 'InvalidStateError')
    switch (question.ask) {
      case 'create-offer':
        return descriptionOf(await owner.createOffer())
      case 'create-answer':
        return descriptionOf(await owner.createAnswer())
      case 'set-local-description':
        await owner.setLocalDescription(question.description as RTCSessionDescriptionInit | undefined)
        return undefined
      case 'set-remote-description':
        await owner.setRemoteDescription(question.description as RTCSessionDescriptionInit)
        return undefined
      case 'add-ice-candidate':
        await owner.addIceCandidate(question.candidate as RTCIceCandidateInit | undefined)
        return undefined
    }
  }

  #keep(id: RtcId, certificate: RTCCertificate): void {
    this.#certificates.set(id, certificate)
    if (this.#certificates.size <= rtcCertificatesMax) return
    for (const [oldest] of this.#certificates) return void this.#certificates.delete(oldest)
  }

  #certificate(id: RtcId): RTCCertificate {
    const certificate = this.#certificates.get(id)
    if (certificate === undefined) throw new DOMException('The certificate is not kept any more.', 'InvalidAccessError')
    return certificate
  }

  #post(report: RtcReport, transfer: Transferable[] = []): void {
    this.#port.postMessage(report, transfer)
  }
}

function stateOf(connection: RTCPeerConnection): RtcState {
  return { connectionState: connection.connectionState, localDescription: descriptionOf(connection.localDescription) }
}

function descriptionOf(description: RTCSessionDescriptionInit | null): RtcDescription | undefined {
  return description === null ? undefined : { type: description.type, sdp: description.sdp }
}

function faultOf(error: unknown): RtcFault {
  return error instanceof Error ? { name: error.name, message: error.message } : { name: 'Error', message: String(error) }
}
