import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import type { StartOptions } from '../contract/service.ts'
import type { StoredTableEntry } from '../engine/kad/contract.ts'
import type { Address } from '../engine/peer.ts'
import type { AddressPolicy } from './addresses.ts'
import type { Store } from './store/store.ts'

/** What a runtime begins with: its identity, and the table of the last visit as it can be used now. */

export async function identity(options: StartOptions, store: Store): Promise<PrivateKey> {
  if (options.identity === 'fresh') return generateKeyPair('Ed25519')
  const kept = await keptIdentity(store)
  if (kept !== undefined) return kept
  const created = await generateKeyPair('Ed25519')
  await store.putIdentity(privateKeyToProtobuf(created))
  return created
}

/** A key that cannot be read is of no use to anybody: a new one takes its place. */
async function keptIdentity(store: Store): Promise<PrivateKey | undefined> {
  const kept = await store.identity()
  try {
    return kept === undefined ? undefined : privateKeyFromProtobuf(kept)
  } catch {
    return undefined
  }
}

/** What this host can dial may have changed since the entry was stored. */
export function reviewed(entry: StoredTableEntry, policy: AddressPolicy): StoredTableEntry {
  const addresses = entry.addresses.map((address) => policy(address.bytes))
  return { ...entry, addresses: addresses.filter((address): address is Address => address !== undefined) }
}
