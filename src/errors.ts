import type { ErrorCode, PlainError } from '../worker/contract/errors.ts'

export type { ErrorCode } from '../worker/contract/errors.ts'

/**
 * What every call of this package rejects with. `code` is one of a closed list, to be compared in code; `message` is a
 * sentence that says what happened and what to do; `detail` holds facts as plain values.
 *
 * @example
 * try {
 *   await client.getBlock(cid, { signal: AbortSignal.timeout(10_000) })
 * } catch (error) {
 *   if (error instanceof AminoError && error.code === 'aborted') console.log('not within ten seconds')
 * }
 */
export class AminoError extends Error {
  override readonly name = 'AminoError'
  readonly code: ErrorCode
  readonly detail: Readonly<Record<string, string | number | boolean>>

  constructor(code: ErrorCode, message: string, detail: PlainError['detail'] = {}, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.detail = detail
  }

  /** The form in which an error came from the Worker, as an error again. */
  static of(plain: PlainError): AminoError {
    return new AminoError(plain.code, plain.message, plain.detail)
  }
}

/** `cause` is the reason that was given to the signal: a `TimeoutError` for `AbortSignal.timeout()`. */
export function abortedError(signal: AbortSignal | undefined): AminoError {
  return new AminoError('aborted', 'The operation was aborted by its signal.', {}, { cause: signal?.reason })
}
