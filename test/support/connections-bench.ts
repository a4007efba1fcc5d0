import { BytesMap } from '../../worker/engine/bytes-map.ts'
import { Connections } from '../../worker/engine/connections/connections.ts'
import type { ConnectionsEffect, ConnectionUser, NeedPriority } from '../../worker/engine/connections/contract.ts'
import { limits } from '../../worker/engine/limits.ts'
import { OrderIds, type OrderId } from '../../worker/engine/machine.ts'
import { PeerCache, type Peer, type PeerIdBytes, type PeerInfo } from '../../worker/engine/peer.ts'

const cache = new PeerCache()

export function peerOf(number: number): Peer {
  return cache.intern(Uint8Array.of(0, 2, number >> 8, number & 0xff) as PeerIdBytes)
}

function info(number: number, { dialable = true, relayed = false, quiet = false, at = [1] }: NeedOptions): PeerInfo {
  const way = { ...(relayed ? { relayed: true as const } : {}), ...(quiet ? { quiet: true as const } : {}) }
  const addresses = at.map((place) => ({ bytes: Uint8Array.of(place, number), dialable, ...way }))
  return { peer: peerOf(number), addresses }
}

/** The connections machine alone, with its effects as short sentences. */
export class ConnectionsBench {
  readonly machine: Connections
  readonly orders = new BytesMap<OrderId>()
  /** Whether what is said of the queue is of interest. */
  tellsOfQueue = false
  onDial: (info: PeerInfo) => void = () => {}

  constructor(denied?: BytesMap<true>) {
    this.machine = new Connections({ orders: new OrderIds(), ...(denied === undefined ? {} : { denied }) })
  }

  need(number: number, options: NeedOptions = {}): string[] {
    const { user = 'kad', priority = 'normal', now = 0 } = options
    this.machine.handle({ type: 'need', user, info: info(number, options), priority }, now)
    return this.drain()
  }

  drop(number: number, user: ConnectionUser = 'kad', now = 0): string[] {
    this.machine.handle({ type: 'drop-need', user, peer: peerOf(number) }, now)
    return this.drain()
  }

  succeeded(number: number, now = 0): string[] {
    this.machine.handle({ type: 'dial-succeeded', order: this.order(number) }, now)
    return this.drain()
  }

  opened(number: number, now = 0): string[] {
    this.machine.handle({ type: 'dial-opened', order: this.order(number) }, now)
    return this.drain()
  }

  failed(number: number, now = 0): string[] {
    this.machine.handle({ type: 'dial-failed', order: this.order(number), reason: 'refused' }, now)
    return this.drain()
  }

  tell(type: 'peer-connected' | 'peer-disconnected', number: number, now = 0): string[] {
    this.machine.handle({ type, peer: peerOf(number) }, now)
    return this.drain()
  }

  tick(now: number): string[] {
    this.machine.handle({ type: 'tick' }, now)
    return this.drain()
  }

  order(number: number): OrderId {
    return this.orders.get(peerOf(number).id) ?? (-1 as OrderId)
  }

  drain(): string[] {
    const said: string[] = []
    for (let effect = this.machine.poll(); effect !== undefined; effect = this.machine.poll()) said.push(this.say(effect))
    return said.filter((sentence) => this.tellsOfQueue || !/^(queued|begun)/.test(sentence))
  }

  say(effect: ConnectionsEffect): string {
    const number = (of: Peer): number => (of.id[2]! << 8) | of.id[3]!
    switch (effect.type) {
      case 'dial':
        this.orders.set(effect.info.peer.id, effect.order)
        this.onDial(effect.info)
        return `dial ${number(effect.info.peer)}`
      case 'cancel-dial':
        return `cancel ${[...this.orders.entries()].filter(([, order]) => order === effect.order).map(([id]) => (id[2]! << 8) | id[3]!)[0]}`
      case 'queued':
        return `queued ${number(effect.peer)} for ${effect.user}`
      case 'begun':
        return `begun ${number(effect.peer)} for ${effect.user}, ${effect.agoMs} ms ago`
      case 'opened':
        return `opened ${number(effect.peer)} for ${effect.user}`
      case 'ready':
        return `ready ${number(effect.peer)} for ${effect.user}`
      case 'failed':
        return `failed ${number(effect.peer)} for ${effect.user}: ${effect.reason}`
    }
  }
}

interface NeedOptions {
  readonly user?: ConnectionUser
  readonly priority?: NeedPriority
  readonly dialable?: boolean
  readonly relayed?: boolean
  readonly quiet?: boolean
  /** Which of its addresses are known. */
  readonly at?: readonly number[]
  readonly now?: number
}

/** Takes all places to dial. */
export function fill(bench: ConnectionsBench, count = limits.pendingDialsMax.value): void {
  for (let number = 1; number <= count; number++) bench.need(number)
}
