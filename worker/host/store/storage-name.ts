/**
 * One client per storage name and origin, by Web Locks: two engines writing one routing table and one block store would
 * spoil each other's sums. Where there are no locks (an insecure page), the client goes on without.
 */

/** What is used of `navigator.locks`. */
export interface LockPort {
  request(
    name: string,
    options: { readonly mode: 'exclusive'; readonly signal: AbortSignal },
    callback: () => Promise<void>,
  ): Promise<unknown>
}

/**
 * Resolves to a function that gives the name back, or to undefined if another client still uses it when `giveUp` is
 * aborted. It waits until then, instead of asking only once (`ifAvailable`), because after a reload the Worker of the old page
 * ends a moment after the new one has begun.
 */
export function holdStorageName(
  locks: LockPort | undefined,
  name: string,
  giveUp: AbortSignal,
): Promise<(() => void) | undefined> {
  if (locks === undefined) return Promise.resolve(() => {})
  return new Promise((resolve) => {
    const hold = (): Promise<void> => new Promise((release) => resolve(release))
    locks.request(`amino-worker:${name}`, { mode: 'exclusive', signal: giveUp }, hold).catch(() => {
      // Refused for another reason than waiting: locks are forbidden here, which is like having none.
      resolve(giveUp.aborted ? undefined : () => {})
    })
  })
}
