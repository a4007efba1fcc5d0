import type { Connection, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
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
  /** Peers to whom a connection is being made, other than over a relay. */
  readonly #underWay = new BytesMap<Promise<unknown>>()
  #attempts = 0
  /** Agreements on WebRTC that nobody waits for any more. */
  #agreeingLate = 0

  constructor(node: Node, isAvailable: (transport: TransportName) => boolean) {
    this.#node = node
    this.#isAvailable = isAvailable
  }

  /**
   * Resolves with a connection. Rejects with the error of the likeliest transport, or with the signal's reason. `opened`: the peer
   * itself, and not a relay, has answered.
   */
  async dial(id: PeerId, targets: readonly Multiaddr[], signal: AbortSignal, opened?: () => void): Promise<void> {
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
    if (await this.#joins(id, signal)) return
    if (hasWebRtc) this.#agreeing.set(peer, true)
    try {
      const race = this.#race(id, known, signal, opened)
      const isDirect = known.some(({ transport }) => transport !== 'webrtc' && transport !== 'relay')
      const transport = await (isDirect ? this.#noted(peer, race) : race)
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

  async #race(id: PeerId, known: readonly Known[], signal: AbortSignal, opened?: () => void): Promise<TransportName> {
    const peer = id.toMultihash().bytes
    const { transport } = await raceDials<Multiaddr, Connection>({
      steps: this.#planner.plan(peer, known),
      signal,
      dial: (target, dialSignal) => {
        if (transportOf(target) === 'webrtc') return this.#agree(id, target, dialSignal)
        return this.#attempt(target, dialSignal, limits.dialAttemptTimeoutMs.value, opened)
      },
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
      for (const connection of connections.filter(isRelayed))
        void connection.close().catch(() => connection.abort(new Error('not needed')))
    }, limits.relayedRetireMs.value)
  }

  /**
   * WebRTC between browsers takes some ten round trips, which may be longer than anybody waits. Then the relayed
   * connection that it began with serves, and WebRTC goes on beside it: a relay carries little, and not for long.
   */
  async #agree(id: PeerId, target: Multiaddr, signal: AbortSignal): Promise<Connection> {
    const given = new AbortController()
    const dial = this.#attempt(target, given.signal, limits.rtcAgreementMs.value)
    const isOver = aborted(signal).then(() => {
      const connections = this.#node.getConnections(id)
      const mayGoOn = connections.length > 0 && connections.every(isRelayed) && this.#agreeingLate < limits.rtcAgreementsMax.value
      if (!mayGoOn) given.abort(signal.reason)
      else void this.#replaceLater(id, dial)
      throw signal.reason
    })
    return Promise.race([dial, isOver])
  }

  async #replaceLater(id: PeerId, dial: Promise<Connection>): Promise<void> {
    this.#agreeingLate++
    try {
      await dial
      this.#planner.succeeded(id.toMultihash().bytes, 'webrtc')
      this.#retireRelayed(id)
    } catch {
      // It stays with the relay.
    } finally {
      this.#agreeingLate--
    }
  }

  async #attempt(target: Multiaddr, signal: AbortSignal, timeoutMs: number, opened?: () => void): Promise<Connection> {
    this.#attempts++
    try {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
      await this.#reachRelay(target, limited)
      return await this.#node.services.direct.dial(target, limited, relayOf(target) === undefined ? opened : undefined)
    } finally {
      this.#attempts--
    }
  }

  /**
   * A relay is dialed for itself and for those behind it, by libp2p too; of two connections to one address libp2p ends one,
   * and whoever was to have that one fails.
   */
  async #reachRelay(target: Multiaddr, signal: AbortSignal): Promise<void> {
    const relay = relayOf(target)
    if (relay === undefined || this.#node.getConnections(relay.id).length > 0 || (await this.#joins(relay.id, signal))) return
    await this.#noted(relay.id.toMultihash().bytes, this.#node.services.direct.dial(relay.address, signal))
  }

  /** Waits for the dial to a peer that is under way, if there is one. Resolves with whether the peer is connected by it. */
  async #joins(id: PeerId, signal: AbortSignal): Promise<boolean> {
    const underWay = this.#underWay.get(id.toMultihash().bytes)
    if (underWay === undefined) return false
    await Promise.race([underWay.catch(() => undefined), aborted(signal)])
    signal.throwIfAborted()
    return this.#node.getConnections(id).length > 0
  }

  async #noted<Result>(peer: Uint8Array, dial: Promise<Result>): Promise<Result> {
    this.#underWay.set(peer, dial)
    try {
      return await dial
    } finally {
      if (this.#underWay.get(peer) === dial) this.#underWay.delete(peer)
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

/** The relay that an address goes through first. */
function relayOf(target: Multiaddr): { readonly id: PeerId; readonly address: Multiaddr } | undefined {
  const names = target.getComponents().map(({ name }) => name)
  if (!names.includes('p2p-circuit')) return undefined
  const address = target.decapsulate('/p2p-circuit')
  const id = address.getComponents().findLast(({ name }) => name === 'p2p')?.value
  return id === undefined ? undefined : { id: peerIdFromString(id), address }
}

/** A relay may set no limits; it is a detour all the same. */
export function isRelayed(connection: Connection): boolean {
  return transportOf(connection.remoteAddr) === 'relay'
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
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
