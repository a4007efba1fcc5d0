import type { LockPort } from '../../worker/host/store/storage-name.ts'
import type { StorePlatform } from '../../worker/host/store/store.ts'
import { FakeLocks } from './fake-locks.ts'

/** A store's surroundings in which nothing happens by itself: the test moves the clock and fires timers and timeouts. */
export class ManualPlatform implements StorePlatform {
  readonly indexedDB: IDBFactory | undefined
  locks: LockPort | undefined
  time = 1_700_000_000_000
  timers: (() => void)[] = []
  timeouts: AbortController[] = []

  constructor(indexedDB: IDBFactory | undefined, locks: LockPort = new FakeLocks()) {
    this.indexedDB = indexedDB
    this.locks = locks
  }

  now(): number {
    return this.time
  }

  setTimer(callback: () => void): () => void {
    this.timers.push(callback)
    return () => {
      this.timers = this.timers.filter((each) => each !== callback)
    }
  }

  timeoutSignal(): AbortSignal {
    const controller = new AbortController()
    this.timeouts.push(controller)
    return controller.signal
  }

  fireTimers(): void {
    for (const callback of this.timers.splice(0)) callback()
  }

  fireTimeouts(): void {
    for (const controller of this.timeouts.splice(0)) controller.abort(new DOMException('timed out', 'TimeoutError'))
  }
}
