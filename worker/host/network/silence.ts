import { BytesMap } from '../../engine/bytes-map.ts'
import { limits } from '../../engine/limits.ts'

export interface SilenceInit {
  readonly now: () => number
  /** Calls back once; returns what ends the wait. */
  readonly after: (ms: number, act: () => void) => () => void
  /** Whether anybody still waits for a block. */
  readonly isAwaited: () => boolean
  /** They were asked, and have said nothing for long: they may be gone without a word. */
  readonly onSilent: (peers: readonly Uint8Array[]) => void
}

/**
 * Who was asked for blocks and has said nothing since. A connection can die without a word, or only one side of it, and
 * then nobody would ever tell: wants would wait for a peer that is not there.
 *
 *   unknown ──asked──▶ owes ──silent for long──▶ told, and awaited anew for longer
 *                        └──heard──▶ may owe more ──asked──▶ owes
 *                                        └──silent for long, and somebody waits──▶ told, …
 *
 * Gone, or told when nobody waits any more: unknown.
 */
export class Silence {
  readonly #init: SilenceInit
  readonly #awaited = new BytesMap<{ since: number; patienceMs: number; owes: boolean }>()
  #endWait: (() => void) | undefined

  constructor(init: SilenceInit) {
    this.#init = init
  }

  asked(peer: Uint8Array): void {
    const state = this.#awaited.get(peer)
    if (state?.owes === false) state.since = this.#init.now()
    if (state !== undefined) state.owes = true
    else this.#awaited.set(peer, { since: this.#init.now(), patienceMs: limits.silenceMs.value, owes: true })
    if (this.#awaited.size > limits.silentPeersMax.value) this.#awaited.shift()
    this.#endWait ??= this.#init.after(limits.silenceMs.value, () => this.#look())
  }

  heard(peer: Uint8Array): void {
    const state = this.#awaited.get(peer)
    if (state === undefined) return
    state.since = this.#init.now()
    state.patienceMs = limits.silenceMs.value
    state.owes = false
  }

  gone(peer: Uint8Array): void {
    this.#awaited.delete(peer)
  }

  stop(): void {
    this.#endWait?.()
    this.#awaited.clear()
  }

  #look(): void {
    const { now, after, isAwaited, onSilent } = this.#init
    this.#endWait = undefined
    const silent: Uint8Array[] = []
    for (const [peer, state] of [...this.#awaited.entries()]) {
      const isSilent = now() - state.since >= state.patienceMs
      // Whoever has said something since it was asked may owe more, which matters only while somebody waits.
      if (!isAwaited() && (isSilent || !state.owes)) this.#awaited.delete(peer)
      if (!isSilent || !(state.owes || isAwaited())) continue
      // Whoever is alive and has nothing to say is asked less and less often.
      state.since = now()
      state.patienceMs = Math.min(2 * state.patienceMs, limits.silenceMaxMs.value)
      silent.push(peer)
    }
    if (silent.length > 0) onSilent(silent)
    if (this.#awaited.size > 0) this.#endWait = after(limits.silenceMs.value, () => this.#look())
  }
}
