/**
 * Messages of `/ipfs/bitswap/1.2.0` as checked values. `wire/bitswap.ts` turns bytes into these and back. The host
 * hashes payloads and puts the CID together before the engine sees them, so a block here is what its CID says.
 */

export interface WantlistEntry {
  /** Binary CID. */
  readonly cid: Uint8Array
  readonly priority: number
  readonly cancel: boolean
  readonly wantType: 'block' | 'have'
  readonly sendDontHave: boolean
}

export interface BitswapBlock {
  /** Binary CID, computed from prefix and data by the receiver. */
  readonly cid: Uint8Array
  readonly bytes: Uint8Array
}

export interface BlockPresence {
  readonly cid: Uint8Array
  readonly type: 'have' | 'dont-have'
}

export interface BitswapMessage {
  readonly wantlist: readonly WantlistEntry[]
  /** The wantlist replaces what the sender wanted before. */
  readonly full: boolean
  readonly blocks: readonly BitswapBlock[]
  readonly presences: readonly BlockPresence[]
  /** Bytes the sender still has queued for us; 0 if it did not say. */
  readonly pendingBytes: number
}
