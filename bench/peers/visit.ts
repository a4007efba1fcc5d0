import { CID } from 'multiformats/cid'

/**
 * What every contestant does, timed in the page. The bench's process calls it step by step, so that what arrives at the
 * servers can be counted for each step.
 */

/** As both kinds of Helia have it. */
export interface Blocks {
  get(cid: CID, options: { signal: AbortSignal }): AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

export interface Contestant {
  /** One item a provider. */
  findProviders(cid: CID, signal: AbortSignal): AsyncIterable<unknown>
  readonly blocks: Blocks
  /** Wants of one DAG that share their peers. */
  session(root: CID): Blocks
  stop(): Promise<void>
}

export interface Found {
  readonly firstMs: number | undefined
  /** Undefined where the search was left at its first provider, or did not end in time. */
  readonly endMs: number | undefined
  readonly providers: number
}

export interface Watched {
  readonly longTasks: readonly LongTask[]
  readonly longestGapMs: number
}

/** In milliseconds; it began so long after the navigation. */
export interface LongTask {
  readonly beganMs: number
  readonly ms: number
}

export interface Visit {
  /** Navigation to the first provider of the first search. */
  readonly entered: Promise<number | undefined>
  find(cid: string, until: 'first' | 'end'): Promise<Found>
  /** Milliseconds; undefined when it did not come in time. */
  block(cid: string): Promise<number | undefined>
  /** All blocks below a root, asked for at once. */
  bulk(root: string, cids: readonly string[], way: 'plain' | 'session'): Promise<number | undefined>
  watched(): Watched
  stop(): Promise<void>
}

export interface Arrival {
  readonly bootstrap: readonly string[]
  readonly first: string
  readonly storage: string
}

/** What has not come by then is given up. */
export const OPERATION_MS = 30_000
/** The same for a whole file. */
export const BULK_MS = 45_000

/** From the page's address. */
export function arrival<Extra>(): Arrival & Extra {
  return JSON.parse(decodeURIComponent(location.hash.slice(1))) as Arrival & Extra
}

export function begin(start: () => Promise<Contestant>, first: string): void {
  const watch = watchPage()
  const started = start()
  const find = async (cid: string, until: 'first' | 'end'): Promise<Found> => findWith(await started, CID.parse(cid), until)
  const visit: Visit = {
    entered: find(first, 'first').then(({ firstMs }) => (firstMs === undefined ? undefined : performance.now())),
    find,
    async block(cid) {
      const { blocks } = await started
      return timed(() => read(blocks, CID.parse(cid), AbortSignal.timeout(OPERATION_MS)))
    },
    async bulk(root, cids, way) {
      const contestant = await started
      const signal = AbortSignal.timeout(BULK_MS)
      const all = timed(async () => {
        const blocks = way === 'plain' ? contestant.blocks : contestant.session(CID.parse(root))
        await read(blocks, CID.parse(root), signal)
        await Promise.all(cids.map((cid) => read(blocks, CID.parse(cid), signal)))
      })
      // Whether or not it heeds the signal.
      return Promise.race([all, over(signal)])
    },
    watched: watch,
    stop: async () => (await started).stop(),
  }
  Object.assign(globalThis, { visit })
}

async function findWith(contestant: Contestant, cid: CID, until: 'first' | 'end'): Promise<Found> {
  const startedAt = performance.now()
  const left = new AbortController()
  const signal = AbortSignal.any([left.signal, AbortSignal.timeout(OPERATION_MS)])
  let firstMs: number | undefined
  let providers = 0
  try {
    for await (const _ of contestant.findProviders(cid, signal)) {
      firstMs ??= performance.now() - startedAt
      providers++
      if (until === 'first') break
    }
    return { firstMs, endMs: until === 'first' ? undefined : performance.now() - startedAt, providers }
  } catch {
    return { firstMs, endMs: undefined, providers }
  } finally {
    left.abort()
  }
}

async function timed(work: () => Promise<void>): Promise<number | undefined> {
  const startedAt = performance.now()
  try {
    await work()
    return performance.now() - startedAt
  } catch {
    return undefined
  }
}

async function read(blocks: Blocks, cid: CID, signal: AbortSignal): Promise<void> {
  for await (const _ of blocks.get(cid, { signal }));
}

function over(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }))
}

function watchPage(): () => Watched {
  const longTasks: LongTask[] = []
  const observer = new PerformanceObserver((list) =>
    longTasks.push(...list.getEntries().map(({ startTime, duration }) => ({ beganMs: startTime, ms: duration }))),
  )
  observer.observe({ type: 'longtask', buffered: true })
  let longestGapMs = 0
  let last: number | undefined
  const frame = (now: number): void => {
    if (last !== undefined) longestGapMs = Math.max(longestGapMs, now - last)
    last = now
    requestAnimationFrame(frame)
  }
  requestAnimationFrame(frame)
  return () => ({ longTasks, longestGapMs })
}
