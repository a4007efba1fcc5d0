/** Throws when our own reasoning was wrong. Never used on what the network or the caller sent. */
export function assert(condition: unknown, shouldHold: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${shouldHold}`)
}

/** Makes a `switch` over a discriminated union exhaustive: a new member fails to type-check here. */
export function unreachable(value: never): never {
  throw new Error(`assertion failed: unreachable ${JSON.stringify(value)}`)
}
