import { hashOf } from '../core/draws.ts'
import { estimate, mean, percentile } from '../core/statistics.ts'
import { EngineClient } from '../clients/engine-client.ts'
import { LookupLog } from '../clients/lookup-log.ts'
import { Network } from '../world/network.ts'
import { stableWorld } from '../world/settings.ts'
import { World } from '../world/world.ts'
import { keyOf } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import type { Cell, Options, Table } from './experiment.ts'

/**
 * Provider searches one after another in networks as small as a private one or the test swarm, by a client that has just come:
 * three in ten servers are dead and silent, one in five cannot be dialed. Connections stay between the searches.
 */
export function smallNetworks(options: Options): Table {
  const rows = SIZES.flatMap((peers) => {
    const seeds = Array.from({ length: options.seeds }, (_, index) => searchesOf(options.seed + index, peers))
    const phases: [string, (search: Search) => boolean][] = [
      ['the first', ({ nth }) => nth === 0],
      [`the ${SEARCHES - 1} after it`, ({ nth }) => nth > 0],
    ]
    return phases.map(([label, matches]): Cell[] => {
      const over = (value: (searches: Search[]) => number) => estimate(seeds.map((searches) => value(searches.filter(matches))))
      const ends = (share: number) =>
        over((searches) =>
          percentile(
            searches.map(({ endMs }) => endMs / 1_000),
            share,
          ),
        )
      const average = (value: (search: Search) => number) => over((searches) => mean(searches.map(value)))
      return [peers, label, ends(0.5), ends(0.95), average(({ dials }) => dials), average(({ recall }) => recall)]
    })
  })
  return {
    title: `Small networks, 30 % silent, 20 % undialable: ${SEARCHES} provider searches in a row`,
    columns: ['servers', 'searches', 'end p50 s', 'p95 s', 'dials', 'recall'],
    rows,
  }
}

const SIZES = [40, 200]
const SEARCHES = 5
/** In each seed; a search in a small world is short. */
const WORLDS = 10
const PATIENCE_MS = 120_000

interface Search {
  readonly nth: number
  readonly endMs: number
  readonly dials: number
  readonly recall: number
}

function searchesOf(seed: number, peers: number): Search[] {
  return Array.from({ length: WORLDS }, (_, index) => searchesInOne(hashOf(seed, peers, index), peers)).flat()
}

function searchesInOne(seed: number, peers: number): Search[] {
  const world = new World({ ...stableWorld, dead: 0.3, dialable: 0.8, seed, peers })
  const { population, settings } = world
  const network = new Network({ world })
  const client = new EngineClient({ network, number: 1 })
  const rng = new Rng(seed)
  const isReachable = (server: number) => population.isReachable(server, 0)
  const reachable = Array.from({ length: peers }, (_, server) => server).filter(isReachable)
  client.start({ bootstrap: rng.shuffle([...reachable]).slice(0, 3) })
  return Array.from({ length: SEARCHES }, (_, nth): Search => {
    const multihash = Uint8Array.of(0x12, 32, ...rng.bytes(32))
    const target = keyOf(multihash)
    const holders = population.nearest(target, settings.k, isReachable)
    for (const holder of holders) world.addProvider(holder, multihash, world.kadPeer(reachable[0]!))
    const log = new LookupLog(world, network.now)
    client.log = log
    const run = client.query((query) => ({ type: 'find-providers', query, multihash, limit: 100 }))
    network.agenda.run(network.now + PATIENCE_MS, () => run.endedAt !== undefined)
    client.log = undefined
    const { dials, answered } = log.tally()
    const recall = holders.filter((holder) => answered.includes(holder)).length / holders.length
    return { nth, endMs: network.now - run.startedAt, dials, recall }
  })
}
