import type { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Rng } from '../rng.ts'
import type { Link } from './link.ts'
import type { WantPeer } from './want-peer.ts'

/**
 * Whom of the connected peers to ask next, when nobody is known to have a block: never all at once. Those that have
 * delivered most come first, then the rest by lot, so that the load does not fall on the same peers each time.
 */
export class BroadcastPlanner {
  readonly #rng: Rng

  constructor(rng: Rng) {
    this.#rng = rng
  }

  /** Peers of step number `step` (from 0). Fewer than `stepSize(step)` means that there are no more. */
  choose(step: number, asked: BytesMap<WantPeer>, links: BytesMap<Link>, atMost: number): Link[] {
    const open: Link[] = []
    for (const link of links.values()) if (!asked.has(link.peer.id) && link.outbox.hasRoom) open.push(link)
    this.#rng.shuffle(open)
    open.sort((a, b) => b.blocksDelivered - a.blocksDelivered)
    return open.slice(0, Math.min(stepSize(step), atMost))
  }
}

/** 10, 40, 160, … */
export function stepSize(step: number): number {
  return limits.broadcastStepFirst.value * limits.broadcastStepGrowth.value ** step
}
