import { keyOf } from '../../worker/engine/peer.ts'
import { defaultKadOptions } from '../../worker/engine/engine.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { EngineClient, settledMs, storedTable } from '../clients/engine-client.ts'
import { LookupLog } from '../clients/lookup-log.ts'
import { GoPatience, JsPatience } from '../clients/patience.ts'
import { RuleClient } from '../clients/rule-client.ts'
import { hashOf } from '../core/draws.ts'
import type { Trace } from '../core/trace.ts'
import { GoLikeLookup } from '../rules/go-like.ts'
import { JsLikeLookup } from '../rules/js-like.ts'
import type { LookupRule } from '../rules/rule.ts'
import { Network } from '../world/network.ts'
import type { World } from '../world/world.ts'

/**
 * Lookups of the same keys by the same client at the same place in the same world, once by each rule. Ours is the whole
 * engine; it gets time to fill and clean its table first. Before each lookup all connections are closed, then the rivals begin,
 * each in a time of its own, with the k nearest of the very table that our engine has at that moment.
 */
export type RuleName = 'ours' | 'go-like' | 'js-like'

export const ruleNames: readonly RuleName[] = ['ours', 'go-like', 'js-like']

export interface Measured {
  readonly durationMs: number
  readonly requests: number
  readonly dials: number
  /** Requests in a row that led to the nearest peer that answered. */
  readonly hops: number
  /** Share of the k nearest online, dialable servers that answered. */
  readonly recall: number
  /** Share of them that any of the others names when it is asked; only luck with farther servers finds the rest. */
  readonly named: number
}

export interface LookupPlan {
  readonly clients: number
  readonly lookups: number
  readonly rules: readonly RuleName[]
  readonly trace?: Trace
}

export function compareLookups(world: World, plan: LookupPlan): Record<RuleName, Measured[]> {
  const measured: Record<RuleName, Measured[]> = { ours: [], 'go-like': [], 'js-like': [] }
  for (let number = 1; number <= plan.clients; number++) {
    const network = new Network({ world, ...(plan.trace === undefined ? {} : { trace: plan.trace }) })
    const client = new EngineClient({ network, number })
    client.start({ tableEntries: storedTable(network, client.id, keyOf(client.id)) })
    network.agenda.run(settledMs)
    const rng = new Rng(hashOf(world.settings.seed, number))
    const rivals = new Rivals(world, number)
    for (let index = 0; index < plan.lookups; index++) {
      const key = rng.bytes(34)
      client.disconnectAll()
      network.agenda.run(network.now + 1)
      const salt = hashOf(world.settings.seed, number, index)
      const begin = { key, salt, table: client.tableServers(), startAt: network.now }
      if (plan.rules.includes('go-like')) measured['go-like'].push(rivals.look('go-like', begin))
      if (plan.rules.includes('js-like')) measured['js-like'].push(rivals.look('js-like', begin))
      measured.ours.push(lookWithEngine(network, client, key, salt))
      network.agenda.run(network.now + REST_MS)
    }
  }
  return measured
}

/** Between lookups, longer than the first backoff of the engine: a failure in one is not known to the next. */
const REST_MS = 12_000
/** Beyond every timeout of every rule: js-libp2p ends a query after 180 s. */
const PATIENCE_MS = 180_000

function lookWithEngine(network: Network, client: EngineClient, key: Uint8Array, salt: number): Measured {
  const startedAt = network.now
  const log = new LookupLog(network.world, startedAt)
  client.log = log
  client.place.salt = salt
  const run = client.query((query) => ({ type: 'closest-peers', query, key }))
  network.agenda.run(startedAt + PATIENCE_MS, () => run.endedAt !== undefined)
  client.log = undefined
  return measure(network, log, key, startedAt)
}

class Rivals {
  readonly #world: World
  readonly #number: number
  readonly #jsPatience = new JsPatience()

  constructor(world: World, number: number) {
    this.#world = world
    this.#number = number
  }

  look(
    name: Exclude<RuleName, 'ours'>,
    init: { key: Uint8Array; salt: number; table: readonly number[]; startAt: number },
  ): Measured {
    const world = this.#world
    const { population } = world
    const network = new Network({ world, startAt: init.startAt })
    const target = keyOf(init.key)
    const compare = (a: number, b: number) => population.compareTo(target, a, b)
    const seeds = init.table.toSorted(compare).slice(0, world.settings.k)
    const ruleWorld = { compare, isDialable: (server: number) => population.isDialable(server) }
    const { k, alpha, beta } = { ...defaultKadOptions, k: world.settings.k }
    const rng = new Rng(init.salt)
    const rule: LookupRule =
      name === 'go-like' ? new GoLikeLookup(ruleWorld, { k, alpha, beta }) : new JsLikeLookup(ruleWorld, { k, alpha }, rng)
    const client = new RuleClient({
      network,
      number: this.#number,
      patience: name === 'go-like' ? new GoPatience() : this.#jsPatience,
      // Go: 160 file descriptors for dials, which one lookup never needs. js-libp2p in browsers: MAX_PARALLEL_DIALS.
      dialsMax: name === 'go-like' ? 160 : 50,
      serialised: name === 'go-like',
      // Go has nothing that keeps a new connection waiting.
      inBrowser: name === 'js-like',
    })
    client.place.salt = init.salt
    const log = new LookupLog(world, init.startAt)
    client.begin({ rule, seeds, request: { type: 'find-node', key: init.key }, log })
    network.agenda.run(init.startAt + PATIENCE_MS, () => rule.hasEnded)
    return measure(network, log, init.key, init.startAt)
  }
}

function measure(network: Network, log: LookupLog, key: Uint8Array, startedAt: number): Measured {
  const { population, settings } = network.world
  const target = keyOf(key)
  const tally = log.tally()
  const truth = population.nearest(target, settings.k, (server) => population.isReachable(server, startedAt))
  const answered = new Set(tally.answered)
  const named = new Set(truth.flatMap((server) => network.world.closerPeers(server, target, startedAt)))
  const shareOf = (found: ReadonlySet<number>) => {
    return truth.length === 0 ? 1 : truth.filter((server) => found.has(server)).length / truth.length
  }
  const nearest = tally.answered.toSorted((a, b) => population.compareTo(target, a, b))[0]
  return {
    durationMs: network.now - startedAt,
    requests: tally.requests,
    dials: tally.dials,
    hops: nearest === undefined ? 0 : log.depthOf(nearest),
    recall: shareOf(answered),
    named: shareOf(named),
  }
}
