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

/** Why a message could not be posted: of what cannot be cloned nothing is the package's own. */
export function postError(fault: unknown): AminoError {
  if (fault instanceof AminoError) return fault
  if ((fault as Error | undefined)?.name !== 'DataCloneError') {
    return new AminoError('internal', 'A call could not be passed to the Worker. Please report this.', {}, { cause: fault })
  }
  const message =
    'Some option or argument cannot be sent to a Worker. Give plain objects, arrays and text: no functions, Proxies or URLs.'
  return new AminoError('invalid-argument', message, {}, { cause: fault })
}

/** A fault of the caller's function is shown as one, and does not disturb the call. */
export function tellCaller(tell: () => void): void {
  try {
    tell()
  } catch (error) {
    reportError(error)
  }
}
