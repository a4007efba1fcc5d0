import type { DelegatedMode } from '../../contract/service.ts'
import { BytesMap } from '../../engine/bytes-map.ts'
import { ItemQueue } from '../item-queue.ts'

/**
 * Two sources for one answer: the DHT, whose failures count, and the delegated routers, which never fail. In a race both
 * run side by side; as a fallback the routers are asked when the DHT has brought nothing.
 */

interface Identified {
  readonly id: Uint8Array
}

/** Gives items as they come, and settles when there are no more. */
export type Producer<Item> = (signal: AbortSignal, push: (item: Item) => void) => Promise<unknown>

export interface CombinedInit<Item> {
  readonly mode: Exclude<DelegatedMode, 'off'>
  readonly signal: AbortSignal
  /** Ends after that many. */
  readonly limit: number
  readonly dht: Producer<Item>
  readonly routers: Producer<Item>
}

/** Items of both, each peer once, whoever names it first. */
export function combinedItems<Item extends Identified>(init: CombinedInit<Item>): AsyncIterable<Item> {
  const left = new AbortController()
  const queue = new ItemQueue<Item>(() => left.abort())
  const signal = AbortSignal.any([init.signal, left.signal])
  const seen = new BytesMap<true>()
  const push = (item: Item): void => {
    if (seen.size >= init.limit || seen.has(item.id)) return
    seen.set(item.id, true)
    queue.push(item)
    if (seen.size < init.limit) return
    queue.end()
    left.abort()
  }
  both(init, signal, push, () => seen.size === 0).then(
    () => queue.end(),
    (error: unknown) => queue.fail(error),
  )
  return queue
}

async function both<Item>(
  { mode, dht, routers, signal: given }: CombinedInit<Item>,
  signal: AbortSignal,
  push: (item: Item) => void,
  isEmpty: () => boolean,
): Promise<void> {
  const beside = mode === 'race' ? routers(signal, push) : undefined
  const [walked] = await Promise.allSettled([dht(signal, push), beside])
  if (beside === undefined && isEmpty() && !signal.aborted) await routers(signal, push)
  if (walked.status === 'rejected' && (isEmpty() || given.aborted)) throw walked.reason
}

export interface AnswerInit<Answer> {
  readonly mode: Exclude<DelegatedMode, 'off'>
  readonly signal: AbortSignal
  readonly dht: (signal: AbortSignal) => Promise<Answer>
  /** Undefined: they do not know. */
  readonly routers: (signal: AbortSignal) => Promise<Answer | undefined>
}

/** One answer, of whoever has it first. Where nobody has one, the DHT's failure. */
export async function firstAnswer<Answer>({ mode, signal, dht, routers }: AnswerInit<Answer>): Promise<Answer> {
  if (mode === 'fallback') return dht(signal).catch((error: unknown) => instead(error, signal, routers))
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const walked = dht(either)
  try {
    return await Promise.any([walked, known(routers(either))])
  } catch {
    return await walked
  } finally {
    stop.abort()
  }
}

export interface BestInit<Answer> extends AnswerInit<Answer> {
  /** How long the DHT may still take when the routers have answered. */
  readonly graceMs: number
  /** The better one of two. */
  readonly best: (one: Answer, other: Answer) => Promise<Answer>
}

/** As `firstAnswer`, where answers differ in worth: the DHT's may be newer than what a router keeps. */
export async function bestAnswer<Answer>(init: BestInit<Answer>): Promise<Answer> {
  const { mode, signal, dht, routers, graceMs, best } = init
  if (mode === 'fallback') return firstAnswer(init)
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  let timer: ReturnType<typeof setTimeout> | undefined
  const walked = dht(either).then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error }),
  )
  try {
    const told = routers(either)
    const first = await Promise.race([walked, known(told).catch(() => walked)])
    if (isWalk(first)) {
      if ('answer' in first) return first.answer
      return await instead(first.error, signal, () => told)
    }
    const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), graceMs)))
    const second = await Promise.race([walked, late])
    return second !== undefined && 'answer' in second ? await best(second.answer, first) : first
  } finally {
    clearTimeout(timer)
    stop.abort()
  }
}

type Walk<Answer> = { readonly answer: Answer } | { readonly error: unknown }

function isWalk<Answer>(value: Answer | Walk<Answer>): value is Walk<Answer> {
  return typeof value === 'object' && value !== null && (Object.hasOwn(value, 'answer') || Object.hasOwn(value, 'error'))
}

async function instead<Answer>(
  error: unknown,
  signal: AbortSignal,
  routers: (signal: AbortSignal) => Promise<Answer | undefined>,
): Promise<Answer> {
  const answer = signal.aborted ? undefined : await routers(signal)
  if (answer === undefined) throw error
  return answer
}

async function known<Answer>(answer: Promise<Answer | undefined>): Promise<Answer> {
  const found = await answer
  if (found === undefined) throw new Error('the routers do not know')
  return found
}
