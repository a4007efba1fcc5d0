import type { KadPeer, KadRequest, KadResponse } from '../../worker/engine/kad/message.ts'
import { Agenda, type Shuffle, type SimTime } from '../core/agenda.ts'
import { hashOf, lognormalOf, normalOf, unitOf } from '../core/draws.ts'
import type { Trace } from '../core/trace.ts'
import type { Surroundings } from '../clients/surroundings.ts'
import { type Faults } from './faults.ts'
import { newId, zoneAt } from './population.ts'
import { retransmissionMs, silentDialMs, slowAnswer, zoneRoundTrips } from './settings.ts'
import type { PendingSocket } from './web-socket-throttle.ts'
import { WebSocketThrottle } from './web-socket-throttle.ts'
import type { World } from './world.ts'
import { Rng } from '../../worker/engine/rng.ts'

/**
 * The way between clients and the servers of a world, in one line of virtual time. Several networks can stand on one
 * world: that is how rules are compared, each in a time of its own, with the same delays for the same asks.
 *
 * A dial takes some round trips, and what Chromium adds to it (`web-socket-throttle.ts`) where the client is in a browser; a request takes
 * one. A server that is offline leaves a dialer alone. It does not know what the
 * clients are.
 */
export class Network implements Surroundings {
  readonly world: World
  readonly agenda: Agenda
  readonly trace: Trace | undefined
  readonly clientZone: number | undefined
  readonly #faults: Faults | undefined
  #answers = 0
  #inventions = 0

  /** `clientZone`: where the clients of this network are, if not where the world says. */
  constructor(init: {
    world: World
    startAt?: SimTime
    trace?: Trace
    faults?: Faults
    shuffle?: Shuffle | undefined
    clientZone?: number
  }) {
    this.world = init.world
    this.clientZone = init.clientZone ?? init.world.settings.clientZone
    this.agenda = new Agenda(init.startAt, init.shuffle)
    this.trace = init.trace
    this.#faults = init.faults
  }

  get now(): SimTime {
    return this.agenda.now
  }

  get seed(): number {
    return this.world.settings.seed
  }

  kadPeer(server: number): KadPeer {
    return this.world.kadPeer(server)
  }

  numberOf(id: Uint8Array): number | undefined {
    return this.world.serverOf(id)
  }

  /** `done` is told once, unless the dial is cancelled. `undefined`: a peer that nobody has ever heard of. */
  dial(from: ClientPlace, server: number | undefined, done: (outcome: DialOutcome) => void, opened?: () => void): Cancel {
    const { population, settings } = this.world
    if (server !== undefined && !population.isDialable(server)) {
      return this.#after(from, -1, 0, () => done('no-dialable-address'))
    }
    const socket = from.sockets?.begin(this.now, unitOf(settings.seed ^ THROTTLE, from.salt, server ?? -1))
    const throttledMs = socket?.delayMs ?? 0
    const isAnswering = server !== undefined && population.isOnline(server, this.now)
    const rtt = server === undefined ? 0 : this.#roundTrip(from, server, DIAL)
    const silentMs = server !== undefined && population.isRefusing(server) ? rtt : silentDialMs
    const settled = (outcome: DialOutcome) => {
      socket?.failed(this.now)
      done(outcome)
    }
    const cancel = isAnswering
      ? this.#connect(from, server, throttledMs, rtt, socket, done, opened)
      : this.#after(from, -1, throttledMs + silentMs, () => settled('refused'))
    if (socket === undefined) return cancel
    return () => {
      socket.failed(this.now)
      cancel()
    }
  }

  /** The socket is open after its share of the round trips, the connection after all of them. */
  #connect(
    from: ClientPlace,
    server: number,
    throttledMs: number,
    rtt: number,
    socket: PendingSocket | undefined,
    done: (outcome: DialOutcome) => void,
    opened: (() => void) | undefined,
  ): Cancel {
    const { dialRoundTrips, socketRoundTrips } = this.world.settings
    const handshakeMs = throttledMs + socketRoundTrips * rtt + this.#lossDelay(from, server, DIAL, rtt)
    const restMs = (dialRoundTrips - socketRoundTrips) * rtt
    if (socket === undefined) return this.#after(from, server, handshakeMs + restMs, () => done('connected'))
    let cancelRest: Cancel = () => {}
    const cancelHandshake = this.#after(from, server, handshakeMs, () => {
      socket.opened(this.now)
      cancelRest = this.#after(from, server, restMs, () => done('connected'))
      opened?.()
    })
    return () => {
      cancelHandshake()
      cancelRest()
    }
  }

  /** To a connected peer. `add-provider` is answered by nothing but the news that it has left. */
  request(from: ClientPlace, server: number, request: KadRequest, done: (outcome: RequestOutcome) => void): Cancel {
    const { population } = this.world
    const rtt = this.#roundTrip(from, server, ASK)
    const way = rtt / 2 + this.#lossDelay(from, server, ASK, rtt)
    if (request.type === 'add-provider') {
      const { key, provider } = request
      this.#after(from, server, way, () => this.world.addProvider(server, key, provider))
      return this.#after(from, -1, 0, () => done({ type: 'sent' }))
    }
    const nth = ++this.#answers
    if (population.isMute(server) || !population.isOnline(server, this.now)) return () => {}
    if (this.#faults?.happens('dropped', nth, this.now) === true) return () => {}
    if (this.#faults?.happens('reset', nth, this.now) === true) {
      return this.#after(from, server, rtt, () => done({ type: 'reset' }))
    }
    const isLate = this.#faults?.happens('late', nth, this.now) === true
    const thinking = this.world.delayOf(server) + (population.isSlow(server) ? this.#slowness(from, server) : 0)
    let response: KadResponse | undefined
    const answer = () => done({ type: 'answered', response: (response ??= this.#answer(server, request)) })
    if (this.#faults?.happens('twice', nth, this.now) === true) this.#after(from, server, rtt + thinking + 40, answer)
    const cancel = this.#after(from, server, way + rtt / 2 + thinking + (isLate ? LATE_MS : 0), answer)
    // A late answer comes though nobody waits for it any more, as real ones do.
    return isLate ? () => {} : cancel
  }

  #answer(server: number, request: Exclude<KadRequest, { type: 'add-provider' }>): KadResponse {
    const response = this.world.answer(server, request, this.now)
    if (this.#faults?.isLying(server, this.now) !== true) return response
    return { ...response, closer: this.#invent(server) }
  }

  /** Three times as many peers as anybody needs, of which two thirds look dialable. */
  #invent(server: number): KadPeer[] {
    const rng = new Rng(hashOf(this.world.settings.seed, server, ++this.#inventions))
    return Array.from({ length: 3 * this.world.settings.k }, (_, index) => ({
      id: newId(rng),
      addresses: [
        { bytes: Uint8Array.of(4, 23 + rng.below(100), rng.below(256), rng.below(256), 1, 6, 0, 1), dialable: index % 3 !== 0 },
      ],
    }))
  }

  #after(from: ClientPlace, server: number, delay: number, action: () => void): Cancel {
    const wanted = this.now + delay
    const at = server === -1 ? wanted : (this.#faults?.passableAt(from.id, server, wanted) ?? wanted)
    let isCancelled = false
    this.agenda.planAt(at, () => {
      if (!isCancelled) action()
    })
    return () => {
      isCancelled = true
    }
  }

  #roundTrip(from: ClientPlace, server: number, what: number): number {
    const { population, settings } = this.world
    const base = zoneRoundTrips[from.zone]![population.zoneOf(server)]! + population.lastMileOf(server)
    if (settings.jitter === 0) return base
    return base * Math.exp(settings.jitter * Math.abs(normalOf(settings.seed, from.salt, server, what)))
  }

  #lossDelay(from: ClientPlace, server: number, what: number, rtt: number): number {
    const { seed, loss } = this.world.settings
    return unitOf(seed ^ LOSS, from.salt, server, what) < loss ? Math.max(retransmissionMs, rtt) + rtt : 0
  }

  #slowness(from: ClientPlace, server: number): number {
    return lognormalOf(slowAnswer.medianMs, slowAnswer.sigma, this.world.settings.seed ^ SLOW, from.salt, server)
  }
}

/** Tells the network that nobody waits any more. Harmless afterwards. */
export type Cancel = () => void

export type DialOutcome = 'connected' | 'refused' | 'no-dialable-address'

export type RequestOutcome =
  | { readonly type: 'answered'; readonly response: KadResponse }
  | { readonly type: 'sent' }
  | { readonly type: 'reset' }

/** Where a client is, and what makes its delays its own. */
export class ClientPlace {
  readonly id: number
  readonly zone: number
  /** What its new sockets wait for, if it lives in a browser. */
  readonly sockets: WebSocketThrottle | undefined
  /** Changed with every lookup that is compared, to the same value for every rule. */
  salt: number

  constructor(init: { seed: number; clientZone: number | undefined; id: number; inBrowser: boolean }) {
    const { seed, clientZone } = init
    this.id = init.id
    this.sockets = init.inBrowser ? new WebSocketThrottle() : undefined
    this.zone = clientZone ?? zoneAt(unitOf(seed, CLIENT, init.id))
    this.salt = hashOf(seed, CLIENT, init.id, 1)
  }
}

const DIAL = 1
const ASK = 2
const CLIENT = 0x636c6e74
const LOSS = 0x6c6f7373
const THROTTLE = 0x74687274
const SLOW = 0x736c6f77

/** Beyond every timeout of the engine. */
const LATE_MS = 12_000
