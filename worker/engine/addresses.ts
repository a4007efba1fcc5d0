import { equalBytes } from './bytes-map.ts'
import { limits } from './limits.ts'
import type { Address } from './peer.ts'

export function hasDialable(addresses: readonly Address[]): boolean {
  return addresses.some((address) => address.dialable)
}

/**
 * The addresses of both lists, each once, bounded. Dialable ones are kept before others, so that a liar's list cannot
 * crowd the useful ones out. Returns `known` itself when nothing is new, so that callers see by identity whether
 * something changed.
 */
export function mergeAddresses(known: readonly Address[], more: readonly Address[]): readonly Address[] {
  const fresh: Address[] = []
  for (const address of more) {
    const isSame = (other: Address) => equalBytes(other.bytes, address.bytes)
    if (!known.some(isSame) && !fresh.some(isSame)) fresh.push(address)
  }
  if (fresh.length === 0) return known
  const max = limits.addressesPerPeerMax.value
  const all = [...known, ...fresh]
  if (all.length <= max) return all
  const kept = [...all.filter((address) => address.dialable), ...all.filter((address) => !address.dialable)].slice(0, max)
  return sameList(kept, known) ? known : kept
}

/** Those of the first list that are not in the other. */
export function addressesBesides(addresses: readonly Address[], others: readonly Address[]): readonly Address[] {
  return addresses.filter(({ bytes }) => !others.some((other) => equalBytes(other.bytes, bytes)))
}

function sameList(a: readonly Address[], b: readonly Address[]): boolean {
  return a.length === b.length && a.every((address, index) => address === b[index])
}
