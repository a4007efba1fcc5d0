import type { Connection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { TransportName } from '../../contract/service.ts'
import { BytesMap } from '../../engine/bytes-map.ts'
import type { ConnectionFailure } from '../../engine/connections/contract.ts'
import { limits } from '../../engine/limits.ts'
import { DialPlanner } from './dial-plan.ts'
import { raceDials } from './dial-race.ts'
import type { Node } from './node.ts'
import { transportOf } from './transport-name.ts'

/**
 * Dials a peer by whatever transport is likeliest, others beside it when it is slow. The engine decides whom to dial
 * and how many peers at once; of one peer a second attempt runs only while all attempts together are within that number.
 */
export class Dialer {
  readonly #node: Node
  readonly #isAvailable: (transport: TransportName) => boolean
  readonly #planner = new DialPlanner()
  /** Peers that are dialed by WebRTC among others, which begins with a relayed connection. */
  readonly #agreeing = new BytesMap<true>()
  #attempts = 0

  constructor(node: Node, isAvailable: (transport: TransportName) => boolean) {
    this.#node = node
    this.#isAvailable = isAvailable
  }

  /** Resolves with a connection. Rejects with the error of the likeliest transport, or with the signal's reason. */
  async dial(id: PeerId, targets: readonly Multiaddr[], signal: AbortSignal): Promise<void> {
    const known: Known[] = []
    for (const target of targets) {
      const transport = transportOf(target)
      if (transport !== undefined && this.#isAvailable(transport)) known.push({ transport, target })
    }
    const names = targets.filter((target) => transportOf(target) === undefined)
    // libp2p resolves names, and dials what it finds.
    if (known.length === 0 && names.length > 0) return void (await this.#node.dial(names, { signal }))
    if (known.length === 0) throw Object.assign(new Error('no transport'), { name: 'NoValidAddressesError' })
    const peer = id.toMultihash().bytes
    const hasWebRtc = known.some(({ transport }) => transport === 'webrtc')
    if (hasWebRtc) this.#agreeing.set(peer, true)
    try {
      const transport = await this.#race(peer, known, signal)
      this.#planner.succeeded(peer, transport)
      if (transport === 'webrtc') this.#retireRelayed(id)
    } finally {
      this.#agreeing.delete(peer)
    }
  }

  /** Whether a relayed connection to the peer may be there only for WebRTC's first words. */
  isAgreeingOnWebRtc(peer: Uint8Array): boolean {
    return this.#agreeing.has(peer)
  }

  /** Another network: transports that failed there may work here. */
  networkChanged(): void {
    this.#planner.forget()
  }

  async #race(peer: Uint8Array, known: readonly Known[], signal: AbortSignal): Promise<TransportName> {
    const { transport } = await raceDials<Multiaddr, Connection>({
      steps: this.#planner.plan(peer, known),
      signal,
      dial: (target, dialSignal) => this.#attempt(target, dialSignal),
      discard: (connection) => void connection.close().catch(() => connection.abort(new Error('not needed'))),
      onFailed: (failed) => this.#planner.failed(peer, failed),
      mayOverlap: () => this.#attempts < limits.pendingDialsMax.value,
      wait,
    })
    return transport
  }

  /** The relay has done its part; what is still under way over it has a moment to end. */
  #retireRelayed(id: PeerId): void {
    setTimeout(() => {
      const connections = this.#node.getConnections(id)
      if (!connections.some((connection) => transportOf(connection.remoteAddr) === 'webrtc')) return
      const relayed = connections.filter((connection) => transportOf(connection.remoteAddr) === 'relay')
      for (const connection of relayed) void connection.close().catch(() => connection.abort(new Error('not needed')))
    }, limits.relayedRetireMs.value)
  }

  async #attempt(target: Multiaddr, signal: AbortSignal): Promise<Connection> {
    this.#attempts++
    try {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(limits.dialTimeoutMs.value)])
      return await this.#node.services.direct.dial(target, limited)
    } finally {
      this.#attempts--
    }
  }
}

interface Known {
  readonly transport: TransportName
  readonly target: Multiaddr
}

export function dialFailure(error: unknown): ConnectionFailure {
  switch (error instanceof Error ? error.name : '') {
    case 'TimeoutError':
    case 'AbortError':
      return 'timeout'
    case 'DialDeniedError':
      return 'denied'
    case 'NoValidAddressesError':
      return 'no-dialable-address'
    default:
      return 'refused'
  }
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const timer = setTimeout(done, ms)
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
  })
}
