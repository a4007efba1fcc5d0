import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { WantlistEntry } from './message.ts'

/** An entry of the copy that a peer has of our wantlist. */
export interface Told {
  readonly entry: WantlistEntry
  readonly at: Millis
  readonly isDenied: boolean
}

/** What takes it back. */
export interface Cancel {
  readonly entry: WantlistEntry
  readonly dueAt: Millis
}

/** By multihash. */
export interface WholeWantlist {
  /** What the peer forgets by it. */
  readonly ended: BytesMap<Told>
  /** What it is told once more, so that it does not forget that too; and as what it held it before. */
  readonly kept: BytesMap<Told>
  readonly keptBefore: BytesMap<Told>
}

/**
 * Whether the next message had better be a whole wantlist: boxo and Helia drop what is not in it, so that it needs no cancels. They go
 * on sending a block that they have begun with: no want-block may be among what it ends, unless it was denied.
 *
 * Where all that the peer holds is cancelled it costs nothing, and waits for something to say. Where some is wanted yet, that is told
 * again; this is worth it when a cancel is due, and twice as many are to come. What would be answered twice cannot be told again: a
 * want-block that the peer has not denied, a want-have that asks for a denial, and one that may be about to be answered. What it has
 * denied is a want-have from then on. A want-have stays as old as it was: Helia forgets it when it would have.
 */
export function wholeWantlist(
  told: BytesMap<Told>,
  cancels: BytesMap<Cancel>,
  wants: BytesMap<WantlistEntry>,
  { hasNews, isDue, now }: { readonly hasNews: boolean; readonly isDue: boolean; readonly now: Millis },
): WholeWantlist | undefined {
  const wanted = told.size - cancels.size
  if (cancels.size === 0 || cancels.size < 2 * wanted) return undefined
  if (wanted === 0 ? !hasNews : !isDue) return undefined
  const ended = new BytesMap<Told>()
  const kept = new BytesMap<Told>()
  const keptBefore = new BytesMap<Told>()
  for (const [key, entry] of told.entries()) {
    const isCancelled = cancels.has(key)
    if (isCancelled ? !isHarmless(entry) || wants.has(key) : !wants.has(key) && !isRepeatable(entry, now)) return undefined
    if (isCancelled) ended.set(key, entry)
    else if (!wants.has(key)) {
      kept.set(key, { ...entry, entry: { ...entry.entry, wantType: 'have', sendDontHave: false } })
      keptBefore.set(key, entry)
    }
  }
  return { ended, kept, keptBefore }
}

/** No block is on its way for it, as far as can be known. */
function isHarmless({ entry, isDenied }: Told): boolean {
  return entry.wantType === 'have' || isDenied
}

function isRepeatable({ entry, at, isDenied }: Told, now: Millis): boolean {
  if (isDenied) return true
  return entry.wantType === 'have' && !entry.sendDontHave && now - at >= limits.repeatAfterMs.value
}
