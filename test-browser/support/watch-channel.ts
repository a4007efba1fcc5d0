/** What a page and a watched Worker (`watch-worker.ts`) say to each other. */

export interface WorkerWatch {
  /** Of WebSockets and WebTransport sessions: being opened, open, waiting for the other side to close. */
  readonly sockets: { readonly pending: number; readonly open: number; readonly closing: number; readonly made: number }
  readonly sessions: { readonly pending: number; readonly open: number; readonly made: number }
  /** Data channels that were transferred to here and have not closed. */
  readonly channels: { readonly open: number; readonly made: number }
  /** When bytes came (milliseconds since 1970) and how many; the page gets none of them. */
  readonly received: readonly (readonly [at: number, bytes: number])[]
}

export type WatchQuestion = { readonly ask: 'watch' } | { readonly ask: 'sleep'; readonly ms: number }

export const watchChannel = 'worker-watch'
