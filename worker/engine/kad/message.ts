import type { Address, PeerIdBytes } from '../peer.ts'

/**
 * Messages of `/ipfs/kad/1.0.0` as checked values. `wire/kad.ts` turns bytes into these and back; what arrives here
 * keeps every limit of `limits.ts`.
 */

export interface KadPeer {
  readonly id: PeerIdBytes
  readonly addresses: readonly Address[]
}

/** A value record. `key` is the whole record key, such as `/ipns/` + binary peer id. */
export interface KadRecord {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** What we ask. The first four are answered; `add-provider` never is. */
export type KadRequest =
  | { readonly type: 'find-node'; readonly key: Uint8Array }
  | { readonly type: 'get-providers'; readonly key: Uint8Array }
  | { readonly type: 'get-value'; readonly key: Uint8Array }
  | { readonly type: 'put-value'; readonly record: KadRecord }
  | { readonly type: 'add-provider'; readonly key: Uint8Array; readonly provider: KadPeer }

/** What came back. Fields that a message of that type has no use for are empty. */
export interface KadResponse {
  readonly type: KadRequest['type']
  readonly key: Uint8Array
  readonly closer: readonly KadPeer[]
  readonly providers: readonly KadPeer[]
  readonly record: KadRecord | undefined
}
