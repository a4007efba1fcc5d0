import type { OrderId, Tick } from '../machine.ts'
import type { Address, Key, Peer, PeerInfo } from '../peer.ts'

/** Events into and effects out of the machine that keeps content provided (`provide.ts`). */

/** The keyspace is kept in 2^12 cells, by the first bits of a key: counts and times of the schedule are kept by cell. */
export const cellBits = 12
export const cellCount = 2 ** cellBits

/** A multihash to provide, with its Kademlia key. */
export interface ProvidedKey {
  readonly key: Key
  readonly multihash: Uint8Array
}

/** What is kept of a cell between visits. Times are wall-clock milliseconds since 1970. */
export interface CellState {
  readonly cell: number
  /** Keys to keep provided. */
  readonly provided: number
  /** Keys that no peer has been told of yet; those that are provided only once are in no other count. */
  readonly queued: number
  /** When all keys of the cell had last been told; 0 for never. */
  readonly sweptAt: number
}

/** Which keys: all that are to be kept provided, or those that wait for their first time. */
export type KeySource = 'provided' | 'queue'

export type ProvideEvent =
  | Tick
  /** `cells`: those that are not empty. `wallMs`: the wall clock at this moment. */
  | { readonly type: 'provide-start'; readonly self: Peer; readonly cells: readonly CellState[]; readonly wallMs: number }
  /** Keys were added or removed. `holdMs`: somebody else is telling the queued ones at present. */
  | { readonly type: 'provide-cells'; readonly cells: readonly CellState[]; readonly holdMs?: number | undefined }
  | { readonly type: 'keys-loaded'; readonly order: OrderId; readonly keys: readonly ProvidedKey[]; readonly wallMs: number }
  | { readonly type: 'keys-not-loaded'; readonly order: OrderId }
  | { readonly type: 'closest-found'; readonly order: OrderId; readonly peers: readonly PeerInfo[] | undefined }
  /** What the peer said; undefined when it did not answer. `wasNotTried`: there was no place to dial it. */
  | {
      readonly type: 'peer-asked'
      readonly order: OrderId
      readonly closer: readonly PeerInfo[] | undefined
      readonly wasNotTried?: boolean
    }
  /** The first `sent` multihashes are known to have arrived. */
  | { readonly type: 'peer-told'; readonly order: OrderId; readonly sent: number; readonly wasNotTried?: boolean }
  /** Whoever was connected lives: a failure of it is worth a second try. */
  | { readonly type: 'peer-connected'; readonly peer: Peer }
  | { readonly type: 'own-addresses-changed'; readonly addresses: readonly Address[] }
  /** What the browser says of the network. */
  | { readonly type: 'online-changed'; readonly online: boolean }
  | { readonly type: 'provide-paused'; readonly paused: boolean }
  /** The page is hidden: fewer peers at a time. */
  | { readonly type: 'page-hidden'; readonly hidden: boolean }
  | { readonly type: 'time-told'; readonly wallMs: number }

export type ProvideEffect =
  /** The keys from `from` to `to`, both included, in order, at most `limit`. Answered by `keys-loaded` or `keys-not-loaded`. */
  | {
      readonly type: 'load-keys'
      readonly order: OrderId
      readonly source: KeySource
      readonly from: Key
      readonly to: Key
      readonly limit: number
    }
  /** Must be durable soon: what is lost of it is sent again. The keys leave the queue; the cells were swept at that time. */
  | {
      readonly type: 'keys-sent'
      readonly keys: readonly ProvidedKey[]
      readonly swept: readonly { readonly cell: number; readonly at: number }[]
    }
  /** Answered by `time-told`: clocks that stand still while a machine sleeps are not believed for long. */
  | { readonly type: 'tell-time' }
  | { readonly type: 'region-ended'; readonly report: RegionReport }
  | { readonly type: 'find-closest'; readonly order: OrderId; readonly key: Uint8Array }
  | { readonly type: 'ask-peer'; readonly order: OrderId; readonly info: PeerInfo; readonly key: Uint8Array; readonly lane: Lane }
  | {
      readonly type: 'tell-peer'
      readonly order: OrderId
      readonly info: PeerInfo
      readonly multihashes: readonly Uint8Array[]
      readonly lane: Lane
    }
  | { readonly type: 'drop-order'; readonly order: OrderId }

/** `idle`: when the page is hidden. */
export type Lane = 'background' | 'idle'

/** How far the records of a region got: each count is of pairs of a key and one of its k nearest peers. */
export interface RegionReport {
  /** The bits that the keys of the region share, as text. */
  readonly prefix: string
  readonly keys: number
  readonly peers: number
  readonly targeted: number
  readonly stored: number
  /** Peers that a browser has no way to reach. */
  readonly undialable: number
  readonly failed: number
  /** Keys of which no peer was told, although some could be dialed. They are tried again. */
  readonly missed: number
  /** Keys that went to the nearest known peers, though nobody could say that no others are nearer (spec P7). */
  readonly uncertain: number
  readonly lookups: number
  readonly searches: number
  readonly requests: number
  readonly endedAt: number
}

export type ProvidePhase = 'idle' | 'working' | 'paused' | 'offline' | 'not-dialable'

export interface ProvideStatus {
  readonly phase: ProvidePhase
  readonly provided: number
  readonly queued: number
  /** Cells with keys, those whose time is over (records may be gone), and those that are due. */
  readonly cells: { readonly used: number; readonly expired: number; readonly due: number }
  /** By 64 equal parts: keys to be kept, of which told and not due, and with records that are gone. */
  readonly keyspace: readonly KeyspacePart[]
  /** The prefix that is worked on. */
  readonly region: string | undefined
  /** Wall-clock milliseconds. */
  readonly nextDueAt: number | undefined
  /** When what is due and queued will be done, as fast as of late; undefined when nothing is, or nothing was measured. */
  readonly endsAt: number | undefined
  /** Since the start. */
  readonly totals: Totals
}

export interface KeyspacePart {
  kept: number
  told: number
  expired: number
}

export const keyspaceParts = 64

export interface Totals {
  keys: number
  regions: number
  targeted: number
  stored: number
  undialable: number
  failed: number
  missed: number
  uncertain: number
  lookups: number
  searches: number
  requests: number
}

export interface ProvideOptions {
  /** How many peers hold a record. */
  readonly k: number
  readonly intervalMs: number
  /** Whether to provide although nobody could dial us. */
  readonly withoutAddress: boolean
}
