import { runFlood, runOurs } from '../bitswap/run.ts'
import { sniffed } from '../bitswap/traffic.ts'
import { estimate } from '../core/statistics.ts'
import { available, byBitswap, found, messagesOf, seedsOf } from './bitswap.ts'
import type { Cell, Experiment } from './experiment.ts'

/** C12: messages do not grow with the number of peers that one is connected to. */
export const bitswapScaling: Experiment = {
  name: 'bitswap-scaling',
  title: 'messages of a Bitswap request with once and twice as many connected peers',
  defaults: { seed: 1, seeds: 1, peers: 856 },
  reportOptions: { seed: 1, seeds: 5, peers: 856 },
  run(options, progress) {
    const rows = [1, 2].map((times): Cell[] => {
      const peers = options.peers * times
      progress(`${peers} peers`)
      const setting = (seed: number) => ({ seed, traffic: sniffed, peers, warmUp: 500, requests: 500 })
      const arm = { label: '', connections: peers, dht: true, discovery: {} }
      const runs = seedsOf(options).map((seed) => runOurs(setting(seed), arm))
      const floods = seedsOf(options).map((seed) => runFlood(setting(seed), peers))
      const share = (run: (typeof runs)[number]) => (100 * byBitswap(run).length) / available(run).length
      return [
        peers,
        estimate(floods.map(messagesOf)),
        estimate(runs.map(messagesOf)),
        estimate(runs.map(share)),
        estimate(runs.map((run) => (100 * found(run).length) / available(run).length)),
      ]
    })
    return {
      experiment: 'bitswap-scaling',
      settings: { ...options, sniffed },
      notes: [
        'The same content and the same 723 providers among more and more peers that have nothing; all of them connected. 2,048 peers are the most that the engine keeps state for (`bitswapPeersMax`): ten and a hundred times as many cannot be connected, and are so no cost either.',
      ],
      tables: [{ title: 'A request', columns: ['peers', 'flood', 'ours', 'by Bitswap %', 'found %'], rows }],
      plots: [],
    }
  },
}
