import { limits } from '../../worker/engine/limits.ts'
import type { Key } from '../../worker/engine/peer.ts'
import type { SimTime } from '../core/agenda.ts'
import { GoLikeLookup } from '../rules/go-like.ts'
import type { RuleEvent } from '../rules/rule.ts'
import { Network } from '../world/network.ts'
import type { World } from '../world/world.ts'
import { LookupLog, type LookupTally } from './lookup-log.ts'
import { GoPatience } from './patience.ts'
import { RuleClient } from './rule-client.ts'

export interface TableLookup {
  /** The k nearest that have not failed, whether they can be dialed or not, as our own lookup names them. */
  readonly peers: readonly number[]
  /** The k nearest of those that can. */
  readonly reached: readonly number[]
  readonly tally: LookupTally
  readonly tookMs: number
}

/** One lookup by the go-like rule, in a time of its own, by a client with a routing table of those whom it can dial. */
export function lookFromTable(init: {
  world: World
  self: Key
  target: Uint8Array
  connected: readonly number[]
  dialsMax: number
  startAt: SimTime
  salt: number
}): TableLookup {
  const { world, self, target, connected, dialsMax, startAt, salt } = init
  const { population, tables, settings } = world
  const network = new Network({ world, startAt })
  const key = world.keyOf(target)
  const compare = (a: number, b: number): number => population.compareTo(key, a, b)
  const isDialable = (server: number): boolean => population.isDialable(server)
  const owner = tables.owner(self)
  const buckets = Array.from({ length: owner.deepest + 1 }, (_, bucket) => tables.bucket(owner, bucket, startAt))
  const seeds = buckets.flat().filter(isDialable).sort(compare).slice(0, settings.k)
  const patience = new GoPatience()
  const client = new RuleClient({ network, number: 1, patience, dialsMax, serialised: true, inBrowser: true, connected })
  client.place.salt = salt
  const rule = new RememberingLookup({ compare, isDialable }, { k: settings.k, alpha: 10, beta: 3 })
  const log = new LookupLog(world, startAt)
  client.begin({ rule, seeds, request: { type: 'find-node', key: target }, log })
  network.agenda.run(startAt + limits.kadQueryTimeoutMs.value, () => rule.hasEnded)
  const peers = [...rule.heard].filter((server) => !isDialable(server) || !rule.failed.has(server)).sort(compare)
  return { peers: peers.slice(0, settings.k), reached: rule.result(), tally: log.tally(), tookMs: network.now - startAt }
}

class RememberingLookup extends GoLikeLookup {
  readonly heard = new Set<number>()
  readonly failed = new Set<number>()

  override handle(event: RuleEvent, now: number): void {
    if (event.type === 'seeds') for (const server of event.servers) this.heard.add(server)
    if (event.type === 'answered') for (const server of event.closer) this.heard.add(server)
    if (event.type === 'failed') this.failed.add(event.server)
    super.handle(event, now)
  }
}
