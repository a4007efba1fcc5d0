import { type AminoClient, createAminoClient } from 'amino-worker'
import type { Tasks } from './worker.ts'

/** The page of `npm run bench:keystore`: starts the Worker, asks it, and measures its memory. */

let worker: Worker | undefined
let client: AminoClient | undefined
let asked = 0
let removed = 0

export interface KeystorePage {
  start(): void
  end(): void
  ask<Name extends keyof Tasks>(name: Name, ...args: Parameters<Tasks[Name]>): ReturnType<Tasks[Name]>
  /** Begins and does not wait; `until` settles when so many have been removed. */
  begin<Name extends keyof Tasks>(name: Name, ...args: Parameters<Tasks[Name]>): void
  untilRemoved(count: number): Promise<void>
  /** A whole client on this storage: until it takes calls, and what it says is kept. */
  startClient(name: string): Promise<{ ms: number; kept: number }>
  stopClient(): Promise<void>
  /** Of all Workers of this page, after a collection. */
  workerBytes(): Promise<number>
}

interface MemoryPart {
  readonly bytes: number
  readonly attribution: readonly { readonly scope: string }[]
}

interface MeasuringPerformance {
  measureUserAgentSpecificMemory(): Promise<{ readonly breakdown: readonly MemoryPart[] }>
}

const keystorePage: KeystorePage = {
  start() {
    removed = 0
    worker = new Worker('keystore-worker.js', { type: 'module' })
    worker.addEventListener('message', ({ data }: MessageEvent<{ removed?: number }>) => {
      removed = data.removed ?? removed
    })
  },
  end() {
    worker?.terminate()
  },
  ask(name, ...args) {
    const id = ++asked
    const answer = new Promise((resolve, reject) => {
      const listen = ({ data }: MessageEvent<{ id?: number; result?: unknown; error?: string }>): void => {
        if (data.id !== id) return
        worker?.removeEventListener('message', listen)
        if (data.error === undefined) resolve(data.result)
        else reject(new Error(data.error))
      }
      worker?.addEventListener('message', listen)
    })
    worker?.postMessage({ id, name, args })
    return answer as ReturnType<Tasks[typeof name]>
  },
  begin(name, ...args) {
    worker?.postMessage({ id: ++asked, name, args })
  },
  untilRemoved(count) {
    return new Promise((resolve) => {
      worker?.addEventListener('message', () => {
        if (removed >= count) resolve()
      })
    })
  },
  async startClient(name) {
    const startedAt = performance.now()
    client = await createAminoClient({ storage: name, bootstrap: [] })
    const ms = performance.now() - startedAt
    return { ms, kept: (await client.provideStatus()).provided }
  },
  async stopClient() {
    await client?.stop()
  },
  async workerBytes() {
    const { breakdown } = await (performance as unknown as MeasuringPerformance).measureUserAgentSpecificMemory()
    const ofWorkers = breakdown.filter(({ attribution }) =>
      attribution.some(({ scope }) => scope === 'DedicatedWorkerGlobalScope'),
    )
    return ofWorkers.reduce((sum, { bytes }) => sum + bytes, 0)
  },
}

Object.assign(globalThis, { keystorePage })
