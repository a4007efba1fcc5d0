import { multihashOf } from '../../worker/engine/bitswap/cid-key.ts'
import { BytesMap } from '../../worker/engine/bytes-map.ts'

/** As the host's store and the DHT: what belongs to a CID is found however that is written. */
export class ByMultihash<V> extends BytesMap<V> {
  override get(cid: Uint8Array): V | undefined {
    return super.get(multihashOf(cid))
  }

  override set(cid: Uint8Array, value: V): void {
    super.set(multihashOf(cid), value)
  }

  override delete(cid: Uint8Array): boolean {
    return super.delete(multihashOf(cid))
  }
}
