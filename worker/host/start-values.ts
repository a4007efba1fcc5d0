import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import type { StoredTableEntry } from '../engine/kad/contract.ts'
import type { Address } from '../engine/peer.ts'
import type { AddressPolicy } from './addresses.ts'
import { DelegatedRouting } from './delegated/delegated-routing.ts'
import { filterWords } from './delegated/filter-words.ts'
import type { Transports } from './network/transports.ts'
import type { Settings } from './settings.ts'
import type { Store } from './store/store.ts'

/** What a runtime begins with: its identity, the table of the last visit as it can be used now, the routers it asks. */

export function freshIdentity(): Promise<PrivateKey> {
  return generateKeyPair('Ed25519')
}

/** Of the last visit, else `fresh`, which is kept from now on. A key that cannot be read is of no use to anybody: it makes room. */
export async function keptIdentity(store: Store, fresh: PrivateKey): Promise<PrivateKey> {
  const kept = await store.identity()
  try {
    if (kept !== undefined) return privateKeyFromProtobuf(kept)
  } catch {
    // As if there were none.
  }
  await store.putIdentity(privateKeyToProtobuf(fresh))
  return fresh
}

/** What this host can dial may have changed since the entry was stored. */
export function reviewed(entry: StoredTableEntry, policy: AddressPolicy): StoredTableEntry {
  const addresses = entry.addresses.map((address) => policy(address.bytes))
  return { ...entry, addresses: addresses.filter((address): address is Address => address !== undefined) }
}

export function delegatedRouting({ delegated, allowPrivateAddresses }: Settings, transports: Transports): DelegatedRouting {
  return new DelegatedRouting({
    urls: delegated.routers,
    filterAddrs: filterWords(transports.dialable, allowPrivateAddresses),
    fetch: (url, init) => fetch(url, init),
    now: () => performance.now(),
  })
}
