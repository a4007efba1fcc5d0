import { keyOf, PeerCache } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { EngineClient, settledMs, storedTable } from '../clients/engine-client.ts'
import { hashOf } from '../core/draws.ts'
import { estimate, mean, percentile } from '../core/statistics.ts'
import { Network } from '../world/network.ts'
import { aminoWorld } from '../world/settings.ts'
import { World } from '../world/world.ts'
import type { Cell, Experiment, Options } from './experiment.ts'

/** A thousand whole engines in one world and one time: half of them provide something, the others look for it. */
export const crowd: Experiment = {
  name: 'crowd',
  title: 'a thousand whole engines at once: half of them provide, the other half finds what they provide',
  defaults: { seed: 1, seeds: 1, peers: 2_000 },
  reportOptions: { seed: 1, seeds: 1, peers: 25_000 },
  run(options, progress) {
    const engines = options.peers >= 20_000 ? 1_000 : 100
    const runs = Array.from({ length: options.seeds }, (_, index) => {
      progress(`seed ${options.seed + index}, ${engines} engines`)
      return crowdOne({ ...options, seed: options.seed + index }, engines)
    })
    const over = (value: (run: Crowd) => number) => estimate(runs.map(value))
    const rows: Cell[][] = [
      ['provided, p50 s', over(({ provideMs }) => percentile(provideMs, 0.5) / 1_000)],
      ['provided, p90 s', over(({ provideMs }) => percentile(provideMs, 0.9) / 1_000)],
      ['records stored per provide', over(({ stored }) => mean(stored))],
      ['found, p50 s', over(({ findMs }) => percentile(findMs, 0.5) / 1_000)],
      ['found, p90 s', over(({ findMs }) => percentile(findMs, 0.9) / 1_000)],
      ['found, %', over(({ found }) => 100 * found)],
      ['events in virtual time', over(({ events }) => events)],
    ]
    return {
      experiment: 'crowd',
      settings: { ...options, engines, aminoWorld },
      notes: [
        'Each engine starts with the table of an earlier visit, all at the same moment, and refreshes it first. Servers are those of Amino, all dialable.',
      ],
      tables: [{ title: `${engines} engines`, columns: ['what', 'value'], rows }],
      plots: [],
    }
  },
}

interface Crowd {
  readonly provideMs: readonly number[]
  readonly stored: readonly number[]
  readonly findMs: readonly number[]
  readonly found: number
  readonly events: number
}

const PATIENCE_MS = 90_000

function crowdOne(options: Options, engines: number): Crowd {
  const world = new World({ ...aminoWorld, seed: options.seed, peers: options.peers })
  const network = new Network({ world })
  const peers = new PeerCache()
  const clients = Array.from({ length: engines }, (_, index) => {
    const client = new EngineClient({ network, number: index + 1, engine: { peers } })
    client.start({ tableEntries: storedTable(network, client.id, keyOf(client.id)) })
    const addresses = [{ bytes: Uint8Array.of(4, 99, 1, index >> 8, index & 0xff, 6, 0, 1), dialable: true }]
    client.handle({ type: 'own-addresses-changed', addresses })
    return client
  })
  network.agenda.run(settledMs)
  const half = engines >> 1
  const cids = Array.from({ length: half }, (_, index) => {
    return Uint8Array.of(0x12, 32, ...new Rng(hashOf(options.seed, index)).bytes(32))
  })
  const provided = cids.map((multihash, index) => clients[index]!.query((query) => ({ type: 'provide', query, multihash })))
  network.agenda.run(network.now + PATIENCE_MS, () => provided.every(({ endedAt }) => endedAt !== undefined))
  const searched = cids.map((multihash, index) => {
    return clients[half + index]!.query((query) => ({ type: 'find-providers', query, multihash, limit: 1 }))
  })
  network.agenda.run(network.now + PATIENCE_MS, () => searched.every(({ endedAt }) => endedAt !== undefined))
  const duration = (run: { startedAt: number; endedAt: number | undefined }) => (run.endedAt ?? Number.NaN) - run.startedAt
  return {
    provideMs: provided.map(duration),
    stored: provided.map(({ result }) => (result?.type === 'provide' ? result.counts.stored : 0)),
    findMs: searched.map(duration),
    found: searched.filter(({ items }) => items.length > 0).length / half,
    events: network.agenda.performed,
  }
}
