import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Experiment, Options, Parts, Result } from '../experiments/experiment.ts'

/** As many parts of an experiment at once as there are processors, each in a thread of its own (`part.ts`). `list`: where it is found. */
export async function runSideBySide(
  list: URL,
  { name: experiment, parts }: Experiment & { readonly parts: Parts<unknown> },
  options: Options,
  progress: (line: string) => void,
): Promise<Result> {
  const names = parts.names(options)
  const done = new Map<string, unknown>()
  const threads = new Set<Worker>()
  const left = names.values()
  const workDown = async () => {
    // All take the next one from the same iterator.
    for (const part of left) {
      progress(part)
      done.set(part, await runPart({ list: list.href, experiment, part, options }, threads))
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(names.length, availableParallelism()) }, workDown))
  } finally {
    await Promise.all([...threads].map(async (thread) => thread.terminate()))
  }
  // In their own order, whichever came first.
  return parts.result(options, new Map(names.map((name) => [name, done.get(name)])))
}

export interface PartOrder {
  /** Address of a module that exports `experiments`. */
  readonly list: string
  readonly experiment: string
  readonly part: string
  readonly options: Options
}

async function runPart(order: PartOrder, threads: Set<Worker>): Promise<unknown> {
  const thread = new Worker(new URL('part.ts', import.meta.url), { workerData: order })
  threads.add(thread)
  try {
    return await new Promise((resolve, reject) => {
      thread.once('message', resolve).once('error', reject)
      thread.once('exit', (code) => reject(new Error(`The thread of "${order.part}" has ended with code ${code} and no result.`)))
    })
  } finally {
    threads.delete(thread)
  }
}
