/**
 * Node clones more than browsers do (an AbortSignal passes silently, a Buffer becomes a Uint8Array), so what is posted in
 * tests is held against this check: only what every browser clones, and nothing that is larger than it looks.
 */

/** What is wrong with a message, or `undefined`. */
export function plainDataProblem(value: unknown, transfer: readonly unknown[] = [], path = 'message'): string | undefined {
  if (value === null || ['undefined', 'boolean', 'number', 'string', 'bigint'].includes(typeof value)) return undefined
  if (typeof value !== 'object') return `${path} is a ${typeof value}`
  if (value instanceof MessagePort) return transfer.includes(value) ? undefined : `${path} is a port that is not transferred`
  if (value instanceof ArrayBuffer) return undefined
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Uint8Array.prototype) {
    const bytes = value as Uint8Array
    return bytes.byteLength === bytes.buffer.byteLength ? undefined : `${path} is a view of a larger buffer`
  }
  if (!Array.isArray(value) && prototype !== Object.prototype) return `${path} is a ${value.constructor.name}`
  for (const [name, member] of Object.entries(value)) {
    const problem = plainDataProblem(member, transfer, `${path}.${name}`)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Everything wrong that was posted on any port of this process since `watchPosts`. */
export const postProblems: string[] = []

const post = MessagePort.prototype.postMessage as (this: MessagePort, message: unknown, transfer?: unknown) => void

/** From now on every post is checked, and refused as a browser would. (Node starts its own threads over such posts too.) */
export function watchPosts(): void {
  MessagePort.prototype.postMessage = function (this: MessagePort, message: unknown, transfer?: unknown): void {
    const problem = plainDataProblem(message, Array.isArray(transfer) ? transfer : [])
    if (problem !== undefined) {
      postProblems.push(problem)
      throw new DOMException(`not plain data: ${problem}`, 'DataCloneError')
    }
    post.call(this, message, transfer)
  }
}
