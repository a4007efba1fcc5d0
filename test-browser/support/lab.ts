import { type AminoClient, type AminoClientOptions, AminoError, createAminoClient } from 'amino-worker'

/** The page part of the specs: the built client on an empty page, and what every spec does with it. */

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly detail: Readonly<Record<string, unknown>> }

export const lab = {
  /** Clients that a spec has started, so that a later `evaluate` finds them again. */
  clients: new Map<string, AminoClient>(),
  create: createAminoClient,
  start,
  client,
  outcome,
  collect,
  watchLongTasks,
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
