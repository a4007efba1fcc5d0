import { type AminoClient, type AminoClientOptions, AminoError, createAminoClient } from 'amino-worker'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { type WatchQuestion, watchChannel, type WorkerWatch } from './watch-channel.ts'

/** The page part of the specs: the built client on an empty page, and what every spec does with it. */

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly detail: Readonly<Record<string, unknown>> }

const rawCodec = 0x55
const sha256Code = 0x12

export const lab = {
  /** Clients that a spec has started, so that a later `evaluate` finds them again. */
  clients: new Map<string, AminoClient>(),
  create: createAminoClient,
  start,
  client,
  outcome,
  collect,
  watchLongTasks,
  watchWorker,
  sleepWorker,
  peerConnections,
  busy,
  jitter,
  eachOf,
  putBlocks,
  addressesWith,
  until,
}

/** Every peer connection that this page has made, for whomever. */
const connections: RTCPeerConnection[] = []

window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given: ConstructorParameters<typeof RTCPeerConnection>) {
    super(...given)
    connections.push(this)
  }
}

declare global {
  interface Window {
    lab: typeof lab
  }
}

window.lab = lab

/** A client on the local swarm; in memory unless the options say otherwise. */
async function start(name: string, options: AminoClientOptions): Promise<AminoClient> {
  const started = await createAminoClient({ storage: false, allowPrivateAddresses: true, ...options })
  lab.clients.set(name, started)
  return started
}

function client(name: string): AminoClient {
  const found = lab.clients.get(name)
  if (found === undefined) throw new Error(`No client has the name "${name}".`)
  return found
}

/** An `AminoError` as plain data; any other rejection is a fault of the package, and fails the spec. */
async function outcome<T>(call: Promise<T> | (() => Promise<T>)): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await (typeof call === 'function' ? call() : call) }
  } catch (error) {
    if (!(error instanceof AminoError)) throw error
    return { ok: false, code: error.code, message: error.message, detail: error.detail }
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const item of items) collected.push(item)
  return collected
}

/** From now on; the function gives the durations in milliseconds and ends the watch. */
function watchLongTasks(): () => number[] {
  const durations: number[] = []
  const add = (entries: PerformanceEntryList) => durations.push(...entries.map((entry) => entry.duration))
  const observer = new PerformanceObserver((list) => add(list.getEntries()))
  observer.observe({ type: 'longtask' })
  return () => {
    add(observer.takeRecords())
    observer.disconnect()
    return durations
  }
}

/** What the Worker of `/worker-watched.js` holds; one such Worker in the browser context. */
function watchWorker(): Promise<WorkerWatch> {
  return new Promise((resolve) => {
    const channel = new BroadcastChannel(watchChannel)
    channel.onmessage = ({ data }: MessageEvent<WorkerWatch>) => {
      channel.close()
      resolve(data)
    }
    channel.postMessage({ ask: 'watch' } satisfies WatchQuestion)
  })
}

/** Lets the Worker of `/worker-watched.js` find that its clock has gone on. */
function sleepWorker(ms: number): void {
  const channel = new BroadcastChannel(watchChannel)
  channel.postMessage({ ask: 'sleep', ms } satisfies WatchQuestion)
  channel.close()
}

/** How many peer connections of the page are not closed, and how many it has made. */
function peerConnections(): { open: number; made: number } {
  return { open: connections.filter(({ connectionState }) => connectionState !== 'closed').length, made: connections.length }
}

/** Keeps the page's thread for that long; gives the beginning and the end, in milliseconds since 1970. */
function busy(ms: number): { from: number; to: number } {
  const from = performance.timeOrigin + performance.now()
  let to = from
  while (to < from + ms) to = performance.timeOrigin + performance.now()
  return { from, to }
}

/** Puts so many blocks of random bytes into the client's store; gives their CIDs. */
async function putBlocks(owner: AminoClient, count: number, length: number): Promise<string[]> {
  const cids: string[] = []
  for (let index = 0; index < count; index++) {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65_536, length)))
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
    const cid = CID.createV1(rawCodec, createDigest(sha256Code, digest)).toString()
    await owner.putBlock(cid, bytes)
    cids.push(cid)
  }
  return cids
}

/** All addresses of the client, once one of them ends so. */
async function addressesWith(owner: AminoClient, end: string): Promise<readonly string[]> {
  for (;;) {
    const { addresses } = await owner.status()
    if (addresses.some((address) => address.endsWith(end))) return addresses
    await new Promise((resolve) => owner.addEventListener('addresses', resolve, { once: true }))
  }
}

/** Asks again, task after task, until it is so; the spec's own time is the limit. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20))
}

/**
 * Keeps the page's thread in slices of irregular length, the same in every run; the function ends that and gives how long it was kept
 * in all.
 */
function jitter(sliceMsMax: number): () => number {
  let keptMs = 0
  let timer: ReturnType<typeof setTimeout>
  let state = 1
  const part = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (sliceMsMax * state) / 2 ** 32
  }
  const slice = (): void => {
    const { from, to } = busy(part())
    keptMs += to - from
    timer = setTimeout(slice, part())
  }
  slice()
  return () => {
    clearTimeout(timer)
    return keptMs
  }
}

/** The results in the order of the items; so many under way at once. */
async function eachOf<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const left = [...items.entries()].reverse()
  const lane = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) results[next[0]] = await work(next[1])
  }
  await Promise.all(Array.from({ length: width }, lane))
  return results
}
