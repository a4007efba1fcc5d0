import type { ErrorCode, PlainError } from '../contract/errors.ts'

/** How the Worker's own code throws what the page will see: a code of the closed list and a sentence. */
export class ServiceError extends Error {
  readonly plain: PlainError

  constructor(code: ErrorCode, message: string, detail?: PlainError['detail']) {
    super(message)
    this.name = 'ServiceError'
    this.plain = detail === undefined ? { code, message } : { code, message, detail }
  }
}

/** Any error as plain data. What we did not foresee is a fault of ours, and says so. */
export function toPlainError(error: unknown): PlainError {
  if (error instanceof ServiceError) return error.plain
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return { code: 'internal', message: `A fault inside the Worker (${message}). Please report it with what you did before.` }
}
