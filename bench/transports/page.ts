import { type AminoClient, type AminoClientOptions, createAminoClient, type ProviderInput } from 'amino-worker'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'

/** The page of the bench: one client, in a Worker or on this very thread, that fetches what it is told. */

export type Place = 'worker' | 'page'

export interface Transfer {
  readonly ms: number
  readonly bytes: number
  /** Durations of the tasks of 50 ms and more on the page's thread, in milliseconds. */
  readonly longTasks: readonly number[]
  /** Connections by transport, afterwards. */
  readonly connections: Readonly<Record<string, number>>
}

const rawCodec = 0x55
const sha256Code = 0x12

let client: AminoClient | undefined

const bench = {
  async start(place: Place, options: AminoClientOptions): Promise<void> {
    const worker = place === 'page' ? { worker: await workerOnPage() } : {}
    client = await createAminoClient({ storage: false, allowPrivateAddresses: true, ...options, ...worker })
  },
  /** Serves so many blocks of random bytes, and tells where it can be dialed by WebRTC. */
  async serve(count: number, length: number): Promise<{ cids: string[]; provider: ProviderInput }> {
    const owner = running()
    const cids: string[] = []
    for (let index = 0; index < count; index++) {
      const bytes = new Uint8Array(length)
      for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536))
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
      const cid = CID.createV1(rawCodec, createDigest(sha256Code, digest)).toString()
      await owner.putBlock(cid, bytes)
      cids.push(cid)
    }
    for (;;) {
      const { addresses } = await owner.status()
      const overRtc = addresses.filter((address) => address.endsWith('/webrtc'))
      if (overRtc.length > 0) return { cids, provider: { id: owner.peerId, multiaddrs: overRtc } }
      await new Promise((resolve) => owner.addEventListener('addresses', resolve, { once: true }))
    }
  },
  /** Dials, and fetches the first block. Gives how long that took. */
  async connect(cid: string, provider: ProviderInput, transport: string): Promise<number> {
    const owner = running()
    const startedAt = performance.now()
    const { reason } = await owner.probe(cid, provider)
    const ms = performance.now() - startedAt
    if (reason !== 'block') throw new Error(`The provider gave no block (${reason}).`)
    while ((await connections(owner))[transport] !== 1) await new Promise((resolve) => setTimeout(resolve, 50))
    return ms
  },
  async fetch(cids: readonly string[], provider: ProviderInput): Promise<Transfer> {
    const owner = running()
    const longTasks: number[] = []
    const note = (entries: PerformanceEntryList): void => void longTasks.push(...entries.map(({ duration }) => duration))
    const observer = new PerformanceObserver((list) => note(list.getEntries()))
    observer.observe({ type: 'longtask' })
    let bytes = 0
    const startedAt = performance.now()
    for await (const block of owner.getBlocks(cids, { providers: [provider] })) bytes += block.bytes.length
    const ms = performance.now() - startedAt
    // A long task is told after it has ended.
    await new Promise((resolve) => setTimeout(resolve, 100))
    note(observer.takeRecords())
    observer.disconnect()
    return { ms, bytes, longTasks, connections: await connections(owner) }
  },
}

declare global {
  interface Window {
    bench: typeof bench
  }
}

window.bench = bench

function running(): AminoClient {
  if (client === undefined) throw new Error('The client has not been started.')
  return client
}

async function connections(owner: AminoClient): Promise<Record<string, number>> {
  const { transports } = await owner.status()
  return Object.fromEntries(Object.entries(transports).map(([name, { connections: count }]) => [name, count]))
}

/** What the client takes for a Worker, although its script runs on this thread. */
async function workerOnPage(): Promise<Worker> {
  const frame = document.createElement('iframe')
  frame.src = '/frame.html'
  const loaded = new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }))
  document.body.append(frame)
  await loaded
  const { port1, port2 } = new MessageChannel()
  frame.contentWindow?.postMessage('begin', location.origin, [port2])
  port1.start()
  const worker = {
    postMessage: (message: unknown, transfer: Transferable[] = []) => port1.postMessage(message, transfer),
    addEventListener: (type: string, listener: EventListener) => type === 'message' && port1.addEventListener(type, listener),
    removeEventListener: (type: string, listener: EventListener) => port1.removeEventListener(type, listener),
    terminate: () => frame.remove(),
  }
  return worker as unknown as Worker
}
