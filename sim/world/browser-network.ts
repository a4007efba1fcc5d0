import type { EngineInit } from '../../worker/engine/engine.ts'
import type { KadPeer, KadRequest } from '../../worker/engine/kad/message.ts'
import { type Address, PeerCache } from '../../worker/engine/peer.ts'
import { BytesMap } from '../../worker/engine/bytes-map.ts'
import { EngineClient } from '../clients/engine-client.ts'
import type { Surroundings } from '../clients/surroundings.ts'
import { Agenda, type SimTime } from '../core/agenda.ts'
import { lognormalOf, normalOf } from '../core/draws.ts'
import type { Trace } from '../core/trace.ts'
import type { Cancel, ClientPlace, DialOutcome, RequestOutcome } from './network.ts'
import { lastMile, silentDialMs, zoneRoundTrips } from './settings.ts'

/**
 * A private network of browsers: every peer is a whole engine with the option `server`, that answers the others. No compact
 * servers; the first few who join are everybody's bootstrap peers.
 *
 *   (nobody) ──join──▶ online ──leave──▶ offline; the others notice after a while
 *
 * Connections belong to both ends. As libp2p does, a peer that has too many closes those it has not used for longest.
 */
export class BrowserNetwork implements Surroundings {
  readonly seed: number
  readonly clientZone = undefined
  readonly agenda = new Agenda()
  readonly trace: Trace | undefined
  readonly #settings: BrowserSettings
  readonly #members: Member[] = []
  readonly #numbers = new BytesMap<number>()
  /** One for all: they live in one thread here. */
  readonly #peers = new PeerCache()
  #messages = 0
  #draws = 0

  constructor(seed: number, settings: Partial<BrowserSettings> = {}, trace?: Trace) {
    this.seed = seed
    this.trace = trace
    this.#settings = { ...browserSettings, ...settings }
  }

  get now(): SimTime {
    return this.agenda.now
  }

  /** Requests that were delivered. */
  get messages(): number {
    return this.#messages
  }

  /** A new peer, that knows the first few of those before it. */
  join(engine: Omit<EngineInit, 'seed' | 'server' | 'peers'> = {}): EngineClient {
    const number = this.#members.length
    const client = new EngineClient({ network: this, number, engine: { ...engine, server: true, peers: this.#peers } })
    this.#members.push({ client, isOnline: true, links: new Map() })
    this.#numbers.set(client.id, number)
    client.start({ bootstrap: Array.from({ length: Math.min(number, this.#settings.bootstrappers) }, (_, index) => index) })
    client.handle({ type: 'own-addresses-changed', addresses: [addressOf(number)] })
    return client
  }

  /** The page is closed without a word. */
  leave(client: EngineClient): void {
    const member = this.#member(client.place.id)
    member.isOnline = false
    client.stop()
    this.agenda.plan(this.#settings.lossNoticeMs, () => {
      for (const other of [...member.links.keys()]) this.#unlink(client.place.id, other)
    })
  }

  isOnline(number: number): boolean {
    return this.#members[number]?.isOnline === true
  }

  /** Connections of a peer. */
  linksOf(client: EngineClient): number {
    return this.#member(client.place.id).links.size
  }

  kadPeer(number: number): KadPeer {
    return { id: this.#member(number).client.id, addresses: [addressOf(number)] }
  }

  numberOf(id: Uint8Array): number | undefined {
    return this.#numbers.get(id)
  }

  dial(from: ClientPlace, to: number | undefined, done: (outcome: DialOutcome) => void): Cancel {
    if (to === undefined || !this.isOnline(to)) return this.#after(silentDialMs, () => done('refused'))
    const rtt = this.#roundTrip(from, to)
    return this.#after(this.#settings.dialRoundTrips * rtt, () => {
      if (!this.isOnline(to)) return done('refused')
      this.#link(from.id, to)
      done('connected')
      this.agenda.plan(rtt, () => this.#identify(from.id, to))
    })
  }

  request(from: ClientPlace, to: number, request: KadRequest, done: (outcome: RequestOutcome) => void): Cancel {
    const way = this.#roundTrip(from, to) / 2
    this.#use(from.id, to)
    let isCancelled = false
    this.agenda.plan(way, () => {
      if (!this.isOnline(to) || !this.#areLinked(from.id, to)) return
      this.#messages++
      const { client } = this.#member(to)
      client.receive(this.#peers.intern(this.#member(from.id).client.id), request, (response) => {
        const outcome: RequestOutcome = response === undefined ? { type: 'reset' } : { type: 'answered', response }
        this.agenda.plan(way, () => {
          if (!isCancelled) done(outcome)
        })
      })
    })
    if (request.type === 'add-provider') return this.#after(0, () => done({ type: 'sent' }))
    return () => {
      isCancelled = true
    }
  }

  #member(number: number): Member {
    return this.#members[number]!
  }

  #link(from: number, to: number): void {
    const accepts = !this.#areLinked(from, to)
    this.#use(from, to)
    if (accepts) this.#member(to).client.accept(this.#peers.intern(this.#member(from).client.id))
    for (const number of [from, to]) this.#trim(number)
  }

  #unlink(a: number, b: number): void {
    const [first, second] = [this.#member(a), this.#member(b)]
    first.links.delete(b)
    second.links.delete(a)
    first.client.lose(this.#peers.intern(second.client.id))
    second.client.lose(this.#peers.intern(first.client.id))
  }

  #areLinked(a: number, b: number): boolean {
    return this.#member(a).links.has(b)
  }

  /** Deleted first: the order of a map's keys is that of their last use. */
  #use(a: number, b: number): void {
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const { links } = this.#member(one)
      links.delete(other)
      links.set(other, true)
    }
  }

  #trim(number: number): void {
    const { links } = this.#member(number)
    if (links.size > this.#settings.connectionsMax) this.#unlink(number, links.keys().next().value!)
  }

  /** Each end hears that the other one serves the DHT, and where it is. */
  #identify(a: number, b: number): void {
    if (!this.#areLinked(a, b)) return
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const { id, addresses } = this.kadPeer(other)
      this.#member(one).client.handle({ type: 'dht-server-seen', info: { peer: this.#peers.intern(id), addresses } })
    }
  }

  #after(delay: number, action: () => void): Cancel {
    let isCancelled = false
    this.agenda.plan(delay, () => {
      if (!isCancelled) action()
    })
    return () => {
      isCancelled = true
    }
  }

  #roundTrip(from: ClientPlace, to: number): number {
    const { place } = this.#member(to).client
    const base = zoneRoundTrips[from.zone]![place.zone]! + this.#lastMileOf(from) + this.#lastMileOf(place)
    return base * Math.exp(this.#settings.jitter * Math.abs(normalOf(this.seed, from.id, to, ++this.#draws)))
  }

  #lastMileOf(place: ClientPlace): number {
    return lognormalOf(lastMile.medianMs, lastMile.sigma, this.seed, LAST_MILE, place.id)
  }
}

export interface BrowserSettings {
  /** The first of them: known to everybody who joins. */
  readonly bootstrappers: number
  /** As the client's option `limits.connectionsMax`. */
  readonly connectionsMax: number
  /** Of WebRTC over a signalling peer: offer and answer, ICE, DTLS, Noise, muxer. Assumption. */
  readonly dialRoundTrips: number
  /** Until the others notice that a page is gone: consent checks of ICE. Assumption. */
  readonly lossNoticeMs: number
  readonly jitter: number
}

export const browserSettings: BrowserSettings = {
  bootstrappers: 3,
  connectionsMax: 100,
  dialRoundTrips: 6,
  lossNoticeMs: 5_000,
  jitter: 0.1,
}

interface Member {
  readonly client: EngineClient
  isOnline: boolean
  /** Numbers of the peers it is connected to, the one used last at the end. */
  readonly links: Map<number, true>
}

/** As good as any: what it looks like is no topic here. */
function addressOf(number: number): Address {
  return { bytes: Uint8Array.of(4, 23 + (number >> 16), (number >> 8) & 0xff, number & 0xff, 1, 6, 0, 1), dialable: true }
}

const LAST_MILE = 0x6d696c65
