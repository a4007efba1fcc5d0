import { AminoError } from './index.ts'

/** Lets so many in at a time; the others wait in the order of their coming, or until they give up. */
export class Turns {
  readonly #max: number
  readonly #waiting = new Set<() => void>()
  #taken = 0

  constructor(max: number) {
    this.#max = max
  }

  /** Rejects with `aborted` when the signal ends the waiting. */
  async run<Result>(signal: AbortSignal | undefined, work: () => Promise<Result>): Promise<Result> {
    if (this.#taken >= this.#max) await this.#wait(signal)
    else this.#taken++
    try {
      return await work()
    } finally {
      this.#pass()
    }
  }

  /** The turn goes to the next one, or back. */
  #pass(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#taken--
    else next()
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        this.#waiting.delete(enter)
        signal?.removeEventListener('abort', onAbort)
        act()
      }
      const enter = (): void => settle(resolve)
      const onAbort = (): void => settle(() => reject(aborted(signal)))
      this.#waiting.add(enter)
      signal?.addEventListener('abort', onAbort)
      if (signal?.aborted === true) onAbort()
    })
  }
}

function aborted(signal: AbortSignal | undefined): AminoError {
  return new AminoError(
    'aborted',
    'The operation was aborted by its signal, before its turn came.',
    {},
    { cause: signal?.reason },
  )
}
