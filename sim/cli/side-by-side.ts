import { availableParallelism } from 'node:os'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import type { Experiment, Options, Parts, Result } from '../experiments/experiment.ts'

/** As many parts of an experiment at once as there are processors, each in a thread of its own. `module`: what runs there (`part.ts`). */
export async function runSideBySide(
  module: URL,
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
      done.set(part, await runPart(module, { experiment, part, options }, threads))
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

/** In the thread of a part: runs it, and tells what came of it. */
export function takeOrder(experiments: readonly Experiment[]): void {
  const { experiment, part, options } = workerData as PartOrder
  const { parts } = experiments.find(({ name }) => name === experiment)!
  parentPort!.postMessage(parts!.run(part, options))
}

interface PartOrder {
  readonly experiment: string
  readonly part: string
  readonly options: Options
}

async function runPart(module: URL, order: PartOrder, threads: Set<Worker>): Promise<unknown> {
  const thread = new Worker(module, { workerData: order })
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
