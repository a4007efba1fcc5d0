import { runFlood, runOurs, type Outcome } from '../bitswap/run.ts'
import { sniffed } from '../bitswap/traffic.ts'
import { estimate } from '../core/statistics.ts'
import { limits } from '../../worker/engine/limits.ts'
import { available, byBitswap, found, messagesOf, seedsOf } from './bitswap-tables.ts'
import type { Cell, Experiment, Options, Table } from './experiment.ts'

/** C12: messages do not grow with the network. */
export const bitswapScaling: Experiment = {
  name: 'bitswap-scaling',
  title: 'messages of a Bitswap request in a network of 1, 10 and 100 times as many peers',
  defaults: { seed: 1, seeds: 1, peers: 856 },
  reportOptions: { seed: 1, seeds: 3, peers: 856 },
  run(options, progress) {
    return {
      experiment: 'bitswap-scaling',
      settings: { ...options, warmUp, requests, sniffed },
      notes: [
        'The same content and the same 723 providers among more and more peers that have nothing. Connections are drawn from all of them at first; whom our engine dials, because the DHT or its ranking names it, is connected from then on, and the connection that is oldest goes.',
        '*all connected*: to keep its success the flood has to be connected to everybody. `bitswapPeersMax` is the most that our engine keeps state for, so that ten times as many cannot be connected at once; a want asks 1,024 of them at most (`broadcastPeersMax`), so that with 2,048 some content is not found.',
        '*found by flooding*: without the DHT, as the study ran it.',
      ],
      tables: [networkTable(options, progress), connectedTable(options, progress)],
      plots: [],
    }
  },
}

const warmUp = 1_000
const requests = 500

const shareFound = (run: readonly Outcome[]) => (100 * found(run).length) / available(run).length
const shareByBitswap = (run: readonly Outcome[]) => (100 * byBitswap(run).length) / available(run).length

function networkTable(options: Options, progress: (line: string) => void): Table {
  const cells = [96, 856].flatMap((connections) => [1, 10, 100].map((times) => ({ connections, times })))
  return {
    title: 'A request, with as many connections as before',
    columns: ['peers', 'connections', 'ours, messages', 'by Bitswap %', 'found %', 'flood, messages', 'found by flooding %'],
    rows: cells.map(({ connections, times }): Cell[] => {
      const peers = options.peers * times
      progress(`${peers} peers, ${connections} connections`)
      const setting = (seed: number) => ({ seed, traffic: sniffed, peers, warmUp, requests })
      const arm = { label: '', connections, dht: true, discovery: {} }
      const runs = seedsOf(options).map((seed) => runOurs(setting(seed), arm))
      const floods = seedsOf(options).map((seed) => runFlood(setting(seed), connections))
      return [
        peers,
        connections,
        estimate(runs.map(messagesOf)),
        estimate(runs.map(shareByBitswap)),
        estimate(runs.map(shareFound)),
        estimate(floods.map(messagesOf)),
        estimate(floods.map(shareFound)),
      ]
    }),
  }
}

function connectedTable(options: Options, progress: (line: string) => void): Table {
  const most = limits.bitswapPeersMax.value
  return {
    title: 'A request, with all of them connected',
    columns: ['peers', 'ours, messages', 'found %', 'flood, messages'],
    rows: [options.peers, most, 10 * options.peers, 100 * options.peers].map((peers): Cell[] => {
      progress(`${peers} peers, all connected`)
      const setting = (seed: number) => ({ seed, traffic: sniffed, peers, warmUp, requests })
      const floods = seedsOf(options).map((seed) => runFlood(setting(seed), peers))
      const arm = { label: '', connections: peers, dht: true, discovery: {} }
      const runs = peers > most ? [] : seedsOf(options).map((seed) => runOurs(setting(seed), arm))
      return [
        peers,
        runs.length === 0 ? '–' : estimate(runs.map(messagesOf)),
        runs.length === 0 ? '–' : estimate(runs.map(shareFound)),
        estimate(floods.map(messagesOf)),
      ]
    }),
  }
}
