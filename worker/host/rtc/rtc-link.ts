import type { RtcCommand, RtcDescription, RtcFault, RtcId, RtcQuestion, RtcReport, RtcState } from '../../contract/rtc.ts'
import type { RtcPeerConnection } from './peer-connection.ts'

/** What the link needs of a `MessagePort`. */
export type RtcPort = Pick<MessagePort, 'postMessage' | 'close'> & {
  onmessage: ((event: MessageEvent<RtcReport>) => void) | null
  onmessageerror: ((event: MessageEvent) => void) | null
}

export interface RtcAnswer {
  readonly description: RtcDescription | undefined
  readonly fault: RtcFault | undefined
  readonly state: RtcState | undefined
}

interface Asked {
  readonly connection: RtcId | undefined
  readonly settle: (answer: RtcAnswer) => void
}

/**
 * The Worker's end of the bridge: numbers things, brings answers to questions and reports to connections, counts the
 * connections.
 *
 *   ready ──a channel could not be transferred | close()──▶ unavailable
 *
 * Unavailable is for good: every connection fails, and no new one can be made. Knows nothing of libp2p.
 */
export class RtcLink {
  readonly #port: RtcPort
  readonly #connectionsMax: number
  readonly #onUnavailable: (problem: string) => void
  readonly #connections = new Map<RtcId, RtcPeerConnection>()
  readonly #asked = new Map<RtcId, Asked>()
  #nextId = 1
  #problem: string | undefined

  constructor(init: { port: RtcPort; connectionsMax: number; onUnavailable: (problem: string) => void }) {
    this.#port = init.port
    this.#connectionsMax = init.connectionsMax
    this.#onUnavailable = init.onUnavailable
    init.port.onmessage = (event) => this.#take(event.data)
    init.port.onmessageerror = () =>
      this.#giveUp({ name: 'DataCloneError', message: 'A data channel could not be taken over from the page.' })
  }

  /** Why there is no WebRTC; undefined while there is. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** Connections that are not closed. */
  get connections(): number {
    return this.#connections.size
  }

  nextId(): RtcId {
    return this.#nextId++
  }

  /** Throws when there is no place, or no WebRTC. */
  add(connection: RtcPeerConnection): RtcId {
    if (this.#problem !== undefined) throw new DOMException(this.#problem, 'InvalidStateError')
    if (this.#connections.size >= this.#connectionsMax) {
      throw new DOMException(`${this.#connectionsMax} peer connections are open already.`, 'QuotaExceededError')
    }
    const id = this.nextId()
    this.#connections.set(id, connection)
    return id
  }

  remove(id: RtcId): void {
    if (!this.#connections.delete(id)) return
    this.post({ type: 'close', connection: id })
    this.rejectAsked(id, { name: 'InvalidStateError', message: 'The connection was closed.' })
  }

  post(command: RtcCommand): void {
    if (this.#problem === undefined) this.#port.postMessage(command)
  }

  /** Always settles: with the page's answer, or when the connection closes. Never rejects. */
  ask(question: RtcQuestion, connection?: RtcId): Promise<RtcAnswer> {
    if (this.#problem !== undefined) return Promise.resolve(faulty({ name: 'InvalidStateError', message: this.#problem }))
    const call = this.nextId()
    return new Promise((settle) => {
      this.#asked.set(call, { connection, settle })
      this.post({ type: 'ask', call, question })
    })
  }

  rejectAsked(connection: RtcId, fault: RtcFault): void {
    for (const [call, asked] of this.#asked) {
      if (asked.connection !== connection) continue
      this.#asked.delete(call)
      asked.settle(faulty(fault))
    }
  }

  /** The client stops. */
  close(): void {
    for (const connection of [...this.#connections.values()]) connection.close()
    this.#endAll({ name: 'AbortError', message: 'The client has been stopped.' })
    this.#port.close()
  }

  #take(report: RtcReport): void {
    switch (report.type) {
      case 'answer': {
        const asked = this.#asked.get(report.call)
        this.#asked.delete(report.call)
        asked?.settle(report)
        break
      }
      case 'refused':
        this.#giveUp(report.fault)
        break
      default: {
        const connection = this.#connections.get(report.connection)
        if (connection !== undefined) connection.take(report)
        else if (report.type === 'channel') report.transferred.close()
      }
    }
  }

  #giveUp(fault: RtcFault): void {
    if (this.#problem !== undefined) return
    const message = `This browser does not hand data channels to Workers (${fault.name}: ${fault.message})`
    for (const connection of [...this.#connections.values()]) connection.fail(fault)
    for (const connection of [...this.#connections.values()]) connection.close()
    this.#endAll({ name: 'NotSupportedError', message })
    this.#onUnavailable(message)
  }

  #endAll(fault: RtcFault): void {
    this.#problem ??= fault.message
    for (const asked of [...this.#asked.values()]) asked.settle(faulty(fault))
    this.#asked.clear()
  }
}

function faulty(fault: RtcFault): RtcAnswer {
  return { fault, description: undefined, state: undefined }
}
