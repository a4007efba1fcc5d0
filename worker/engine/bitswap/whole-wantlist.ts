import { BytesMap } from '../bytes-map.ts'
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
  /** What it is told once more, so that it does not forget that too. */
  readonly kept: BytesMap<Told>
}

/**
 * Whether the next message had better be a whole wantlist: boxo and Helia drop what is not in it, so that it needs no cancels. They go
 * on sending a block that they have begun with: no want-block may be among what it ends, unless it was denied.
 *
 * Where all that the peer holds is cancelled it costs nothing, and waits for something to say. Where some is wanted yet, that is told
 * again; this is worth it when a cancel is due, and twice as many are to come. What would be answered twice cannot be told again: a
 * want-block that the peer has not denied, and a want-have that asks for a denial. What it has denied is from then on a want-have.
 */
export function wholeWantlist(
  told: BytesMap<Told>,
  cancels: BytesMap<Cancel>,
  wants: BytesMap<WantlistEntry>,
  { hasNews, isDue }: { readonly hasNews: boolean; readonly isDue: boolean },
): WholeWantlist | undefined {
  const wanted = told.size - cancels.size
  if (cancels.size === 0 || cancels.size < 2 * wanted) return undefined
  if (wanted === 0 ? !hasNews : !isDue) return undefined
  const ended = new BytesMap<Told>()
  const kept = new BytesMap<Told>()
  for (const [key, entry] of told.entries()) {
    const isCancelled = cancels.has(key)
    if (isCancelled ? !isHarmless(entry) || wants.has(key) : !wants.has(key) && !isRepeatable(entry)) return undefined
    if (isCancelled) ended.set(key, entry)
    else if (!wants.has(key)) kept.set(key, { ...entry, entry: { ...entry.entry, wantType: 'have', sendDontHave: false } })
  }
  return { ended, kept }
}

/** No block is on its way for it, as far as can be known. */
function isHarmless({ entry, isDenied }: Told): boolean {
  return entry.wantType === 'have' || isDenied
}

function isRepeatable({ entry, isDenied }: Told): boolean {
  return isDenied || (entry.wantType === 'have' && !entry.sendDontHave)
}
