/** What a page does for the bench. `main.ts` calls it step by step, so that it can count at the servers in between. */

export interface Contestant {
  start(bootstrap: readonly string[]): Promise<void>
  /** Connects to all of them, and asks none of them for anything the bench asks for later. */
  connect(peers: readonly BenchPeer[]): Promise<void>
  /** Gets one block that nobody was asked for before. */
  request(cid: string): Promise<void>
  /** Gets a whole DAG of one level, root first. Calls `got` for every leaf. */
  fetch(way: Way, root: string, leaves: readonly string[], got: () => void): Promise<void>
}

export type Way = 'getBlock' | 'getBlocks' | 'session'

export interface BenchPeer {
  readonly id: string
  readonly multiaddrs: readonly string[]
}

export interface Fetched {
  readonly firstMs: number
  readonly endMs: number
  /** The longest time in which nothing came. */
  readonly gapMs: number
  readonly longTasks: number
  readonly longTaskMs: number
}

export interface Bench {
  readonly start: Contestant['start']
  readonly connect: Contestant['connect']
  request(cid: string): Promise<number>
  fetch(way: Way, root: string, leaves: readonly string[]): Promise<Fetched>
}

declare global {
  var bitswapBench: Bench
}

export function offer(contestant: Contestant): void {
  globalThis.bitswapBench = {
    start: (bootstrap) => contestant.start(bootstrap),
    connect: (peers) => contestant.connect(peers),
    async request(cid) {
      const startedAt = performance.now()
      await contestant.request(cid)
      return performance.now() - startedAt
    },
    async fetch(way, root, leaves) {
      const tasks: number[] = []
      const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)))
      observer.observe({ type: 'longtask' })
      const startedAt = performance.now()
      const arrivals: number[] = []
      await contestant.fetch(way, root, leaves, () => arrivals.push(performance.now() - startedAt))
      const endMs = performance.now() - startedAt
      if (arrivals.length !== leaves.length) throw new Error(`${arrivals.length} of ${leaves.length} leaves came`)
      tasks.push(...observer.takeRecords().map(({ duration }) => duration))
      observer.disconnect()
      const gaps = arrivals.map((at, index) => at - (arrivals[index - 1] ?? at))
      return {
        firstMs: arrivals[0]!,
        endMs,
        gapMs: Math.max(...gaps),
        longTasks: tasks.length,
        longTaskMs: tasks.reduce((sum, ms) => sum + ms, 0),
      }
    },
  }
}
