/** Worlds in which something once did not hold: they are run again by the tests, and stay. */
export const faultSeeds: readonly { readonly seed: number; readonly was: string }[] = [
  { seed: 1, was: 'connected peers that nearer ones had displaced took all places: a lookup stood still until its timeout' },
  { seed: 14, was: 'the same, with another rest of the k nearest' },
  {
    seed: 5_034,
    was: 'searches that had their turn were held for what the repair of the table would find, and that had no turn',
  },
]
