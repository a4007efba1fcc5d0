import type { Address, PeerInfo } from '../peer.ts'

/**
 * Who owns a network can run any number of peers in it, but not in many networks. So no group of IP addresses may have
 * more than a few places: in a bucket, in the table, in a reply. (go-libp2p-kbucket, peerdiversity)
 */

/** The distinct groups of the addresses; none for peers known by name only, and in local networks. */
export function groupsOf(addresses: readonly Address[]): readonly number[] {
  const groups: number[] = []
  for (const { group } of addresses) {
    if (group !== undefined && !groups.includes(group)) groups.push(group)
  }
  return groups
}

/** How many peers have an address in each group. */
export class GroupCounts {
  readonly #counts = new Map<number, number>()

  of(group: number): number {
    return this.#counts.get(group) ?? 0
  }

  change(groups: readonly number[], by: 1 | -1): void {
    for (const group of groups) {
      const count = this.of(group) + by
      if (count === 0) this.#counts.delete(group)
      else this.#counts.set(group, count)
    }
  }
}

/** The peers of one reply without those of groups that have more than `max` in it. */
export function withoutCrowds(infos: readonly PeerInfo[], max: number): readonly PeerInfo[] {
  const counts = new GroupCounts()
  for (const { addresses } of infos) counts.change(groupsOf(addresses), 1)
  return infos.filter(({ addresses }) => groupsOf(addresses).every((group) => counts.of(group) <= max))
}
