import { limits } from '../limits.ts'
import type { Key, PeerCache } from '../peer.ts'
import type { Rng } from '../rng.ts'
import { commonPrefixLength } from './distance.ts'

export interface Preimage {
  readonly bytes: Uint8Array
  readonly key: Key
}

/**
 * Servers hash the key of a request, so a random target inside a bucket needs a preimage: random bytes whose key
 * shares exactly `cpl` bits with ours. That takes 2^(cpl + 1) hashes on average, done a few at a time. The bytes are drawn
 * once and then counted on: drawing them anew cost as much as a third of the hashes.
 */
export class PreimageSearch {
  readonly cpl: number
  readonly #self: Key
  readonly #bytes: Uint8Array
  readonly #peers: PeerCache
  #stepsLeft: number

  constructor(init: { cpl: number; self: Key; rng: Rng; peers: PeerCache }) {
    this.cpl = init.cpl
    this.#self = init.self
    this.#bytes = init.rng.bytes(32)
    this.#peers = init.peers
    // Eight times the expected number of hashes: missed once in 3000 searches, and then the bucket waits for the next.
    this.#stepsLeft = Math.ceil(2 ** (init.cpl + 4) / limits.preimageHashesPerStep.value)
  }

  step(): Preimage | 'unfinished' | 'given-up' {
    for (let count = 0; count < limits.preimageHashesPerStep.value; count++) {
      this.#countOn()
      const key = this.#peers.keyOf(this.#bytes)
      if (commonPrefixLength(this.#self, key) === this.cpl) return { bytes: this.#bytes.slice(), key }
    }
    this.#stepsLeft--
    return this.#stepsLeft > 0 ? 'unfinished' : 'given-up'
  }

  #countOn(): void {
    for (let index = 0; index < this.#bytes.length; index++) {
      this.#bytes[index]!++
      if (this.#bytes[index] !== 0) return
    }
  }
}
