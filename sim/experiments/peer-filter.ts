import { BytesMap } from '../../worker/engine/bytes-map.ts'
import type { EngineEffect } from '../../worker/engine/contract.ts'
import { keyOf } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { EngineClient, settledMs, storedTable, type Witness } from '../clients/engine-client.ts'
import { hashOf } from '../core/draws.ts'
import { estimate, mean, percentile } from '../core/statistics.ts'
import { Network } from '../world/network.ts'
import { aminoWorld } from '../world/settings.ts'
import { type HydraSettings, World } from '../world/world.ts'
import { balancedHeads } from './coverage.ts'
import type { Cell, Experiment } from './experiment.ts'
import { headsOf, publish } from './hydra.ts'

/** B7: peers that give nothing are asked less, by a list of the caller and by what the lookup learns. */
export const peerFilter: Experiment = {
  name: 'peer-filter',
  title: 'how often our engine asks the heads of Hydras without their database: by what they answer, and when they are denied',
  defaults: { seed: 1, seeds: 1, peers: 2_000 },
  reportOptions: { seed: 1, seeds: 4, peers: 16_208 },
  run(options, progress) {
    const seeds = Array.from({ length: options.seeds }, (_, index) => options.seed + index)
    const rows = ARMS.flatMap((arm): Cell[][] => {
      progress(arm.label)
      const perSeed = seeds.map((seed) => measure(arm, seed, options.peers))
      return STEPS.map((step, index) => [
        arm.label,
        step,
        estimate(perSeed.map((steps) => steps[index]!.toHeads)),
        estimate(perSeed.map((steps) => steps[index]!.requests)),
        estimate(perSeed.map((steps) => (100 * steps[index]!.toHeads) / steps[index]!.requests)),
        estimate(perSeed.map((steps) => 100 * steps[index]!.inTable)),
        estimate(perSeed.map((steps) => steps[index]!.p50 / 1_000)),
        estimate(perSeed.map((steps) => 100 * steps[index]!.found)),
      ])
    })
    return {
      experiment: 'peer-filter',
      settings: { ...options, heads: headsOf(options.peers), lookups: LOOKUPS, everyMs: EVERY_MS, aminoWorld },
      notes: [
        `Our engine looks for one provider of a CID of the \`workload\` every ${EVERY_MS / 1_000} s, ${LOOKUPS} times; heads are one peer in eight and keep no records. Each row is a fourth of the lookups, so that what is learned shows from row to row.`,
        '*name closer peers*: as the heads did after their database was unplugged. *say nothing*: they answer without peers and without records. *denied*: the option `denyPeers` lists them.',
        '*of the table*: entries of the routing table that are heads. Two things learn: the table lets in only who has named somebody, and a lookup asks those after the others who have twice lately given nothing or not answered. Much of it is learned in the refresh before the first lookup.',
        'A head that names closer peers is of use to a lookup and is asked like any other, the more as heads never leave and so gather in the table: that a peer has no record is no evidence against it, because nearly no peer has the record of a given CID. So without a list the heads of the report are not asked less; what that costs shows beside the last arm.',
      ],
      tables: [
        {
          title: 'Requests to heads',
          columns: ['heads', 'lookups', 'to heads', 'requests', 'share %', 'of the table %', 'provider p50 s', 'found %'],
          rows,
        },
      ],
      plots: [],
    }
  },
}

interface Arm {
  readonly label: string
  readonly names: NonNullable<HydraSettings['names']>
  readonly isDenied: boolean
}

const ARMS: readonly Arm[] = [
  { label: 'name closer peers', names: 'table', isDenied: false },
  { label: 'say nothing', names: 'nobody', isDenied: false },
  { label: 'denied', names: 'table', isDenied: true },
]

const LOOKUPS = 80
const EVERY_MS = 15_000
const STEPS = ['1–20', '21–40', '41–60', '61–80'] as const

interface Step {
  readonly toHeads: number
  readonly requests: number
  /** Share of the entries of the routing table that are heads. */
  readonly inTable: number
  readonly p50: number
  readonly found: number
}

function measure(arm: Arm, seed: number, peers: number): Step[] {
  const heads = balancedHeads(new Rng(hashOf(seed, HEADS)), headsOf(peers))
  const world = new World({ ...aminoWorld, seed, peers }, { heads, isDatabaseOn: false, delayMs: 0, names: arm.names })
  const cids = publish(world)
  const denied = new BytesMap<true>()
  if (arm.isDenied) for (const head of heads) denied.set(head, true)
  const network = new Network({ world })
  const client = new EngineClient({ network, number: 1, engine: { denied } })
  const count = new HeadCount(world)
  client.witness = count
  const tableEntries = storedTable(network, client.id, keyOf(client.id)).filter(({ id }) => !denied.has(id))
  client.start({ tableEntries })
  network.agenda.run(settledMs)
  const lookups = cids.slice(0, LOOKUPS).map((multihash) => {
    const before = { toHeads: count.toHeads, requests: count.requests }
    const startedAt = network.now
    const run = client.query((query) => ({ type: 'find-providers', query, multihash, limit: 1 }))
    network.agenda.run(startedAt + 60_000, () => run.endedAt !== undefined)
    const tookMs = network.now - startedAt
    const after = { toHeads: count.toHeads - before.toHeads, requests: count.requests - before.requests }
    network.agenda.run(startedAt + EVERY_MS)
    const table = client.tableServers()
    const inTable = table.filter((server) => world.population.isHead(server)).length / table.length
    return { ...after, inTable, tookMs, isFound: run.items.length > 0 }
  })
  const size = LOOKUPS / STEPS.length
  return STEPS.map((_, index) => {
    const step = lookups.slice(index * size, (index + 1) * size)
    return {
      toHeads: mean(step.map(({ toHeads }) => toHeads)),
      requests: mean(step.map(({ requests }) => requests)),
      inTable: mean(step.map(({ inTable }) => inTable)),
      p50: percentile(
        step.map(({ tookMs }) => tookMs),
        0.5,
      ),
      found: step.filter(({ isFound }) => isFound).length / step.length,
    }
  })
}

/** GET_PROVIDERS only: the refresh of the table is nothing of the lookups'. */
class HeadCount implements Witness {
  toHeads = 0
  requests = 0
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  event(): void {}

  effect(effect: EngineEffect): void {
    if (effect.type !== 'send-request' || effect.request.type !== 'get-providers') return
    this.requests++
    const server = this.#world.serverOf(effect.peer.id)
    if (server !== undefined && this.#world.population.isHead(server)) this.toHeads++
  }
}

const HEADS = 0x68656164
