import { writer } from 'protons-runtime'
import { limits } from '../engine/limits.ts'
// Types of the engine's messages are the agreement between the two rooms; of its values only the limits are used.
import type { BitswapMessage, BlockPresence, WantlistEntry } from '../engine/bitswap/message.ts'
import { type CidPrefix, cidPrefix, cidV0Prefix, decodeCidPrefix, encodeCidPrefix, isCid } from './cid.ts'
import { type Decoded, decoding, type Drops, Field } from './protobuf.ts'

/**
 * Messages of `/ipfs/bitswap/1.0.0` to `1.2.0` between bytes and checked values (IPFS specs, Bitswap protocol).
 *
 *   Message   1 wantlist · 2 blocks* (1.0.0) · 3 payload* (≥ 1.1) · 4 presences* (1.2) · 5 pendingBytes (1.2)
 *   Wantlist  1 entries* · 2 full
 *   Entry     1 cid · 2 priority · 3 cancel · 4 wantType · 5 sendDontHave
 *   Block     1 prefix · 2 data            Presence  1 cid · 2 type
 *
 * A block comes without its digest: the host hashes `data` and only then knows which CID it is.
 */

export interface WireBlock {
  readonly prefix: CidPrefix
  /** In a buffer of its own: it can be transferred, and stored without the frame around it. */
  readonly data: Uint8Array<ArrayBuffer>
}

/** A message as it comes in; the engine's `BitswapMessage` once the blocks are hashed. */
export interface WireBitswapMessage extends Omit<BitswapMessage, 'blocks'> {
  /** Blocks of 1.0.0 and later alike; those of 1.0.0 have the prefix of a CID of version 0. */
  readonly blocks: readonly WireBlock[]
}

/** Entries, blocks and presences that are malformed or over a limit are left out; the rest of the message counts. */
export function decodeBitswapMessage(bytes: Uint8Array): Decoded<WireBitswapMessage> {
  return decoding(bytes, limits.frameBytesMax.value, (drops) => decode(bytes, drops))
}

/** Of the protocol: 1.2.0 has presences and kinds of wants, 1.1.0 CIDs of blocks; 1.0.0 and the unversioned one are alike. */
export type BitswapVersion = '1.2' | '1.1' | '1.0'

/** The ids under which we speak Bitswap, best first: of one with a version, the older ones too. */
export function bitswapProtocols(protocol: string): readonly string[] {
  const base = protocol.endsWith('/1.2.0') ? protocol.slice(0, -6) : undefined
  return base === undefined ? [protocol] : [protocol, `${base}/1.1.0`, `${base}/1.0.0`, base]
}

/** Of a protocol that `bitswapProtocols` names. */
export function bitswapVersion(protocol: string, named: readonly string[]): BitswapVersion {
  const index = named.indexOf(protocol)
  return index <= 0 ? '1.2' : index === 1 ? '1.1' : '1.0'
}

/** What the version has no word for is left out: presences, and that a want is for less than the block. */
export function encodeBitswapMessage(message: BitswapMessage, version: BitswapVersion = '1.2'): Uint8Array {
  const out = writer()
  const isNew = version === '1.2'
  if (message.full || message.wantlist.length > 0) {
    out.uint32(10).fork()
    for (const entry of message.wantlist) {
      out.uint32(10).fork().uint32(10).bytes(entry.cid)
      if (entry.priority !== 0) out.uint32(16).int32(entry.priority)
      if (entry.cancel) out.uint32(24).bool(true)
      if (isNew && entry.wantType === 'have') out.uint32(32).int32(1)
      if (isNew && entry.sendDontHave) out.uint32(40).bool(true)
      out.ldelim()
    }
    if (message.full) out.uint32(16).bool(true)
    out.ldelim()
  }
  for (const { cid, bytes } of message.blocks) {
    if (version === '1.0') {
      out.uint32(18).bytes(bytes)
      continue
    }
    out
      .uint32(26)
      .fork()
      .uint32(10)
      .bytes(encodeCidPrefix(prefixOfOurs(cid)))
    if (bytes.length > 0) out.uint32(18).bytes(bytes)
    out.ldelim()
  }
  for (const { cid, type } of isNew ? message.presences : []) {
    out.uint32(34).fork().uint32(10).bytes(cid)
    if (type === 'dont-have') out.uint32(16).int32(1)
    out.ldelim()
  }
  if (isNew && message.pendingBytes > 0) out.uint32(40).int32(message.pendingBytes)
  return out.finish()
}

/** The CID of a block we send was checked when it came in. */
function prefixOfOurs(cid: Uint8Array): CidPrefix {
  const prefix = cidPrefix(cid)
  if (prefix === undefined) throw new Error('assertion failed: a block of ours has a well-formed CID')
  return prefix
}

function decode(bytes: Uint8Array, drops: Drops): WireBitswapMessage {
  const field = new Field(bytes)
  const wantlist: WantlistEntry[] = []
  const blocks: WireBlock[] = []
  const presences: BlockPresence[] = []
  let full = false
  let pendingBytes = 0
  while (field.next()) {
    if (field.number === 1) full = readWantlist(field.bytes(), wantlist, drops) || full
    else if (field.number === 2) keep(blocks, blockOf(cidV0Prefix, field.bytes()), limits.blocksPerMessageMax.value, drops)
    else if (field.number === 3) readInto(blocks, field.bytes(), readBlock, limits.blocksPerMessageMax.value, drops)
    else if (field.number === 4) readInto(presences, field.bytes(), readPresence, limits.presencesPerMessageMax.value, drops)
    else if (field.number === 5) pendingBytes = Math.max(0, field.int32())
    else field.skip()
  }
  return { wantlist, full, blocks, presences, pendingBytes }
}

/** Returns whether the list says that it is full. */
function readWantlist(bytes: Uint8Array, wantlist: WantlistEntry[], drops: Drops): boolean {
  const field = new Field(bytes)
  let full = false
  while (field.next()) {
    if (field.number === 1) readInto(wantlist, field.bytes(), readEntry, limits.wantlistEntriesMax.value, drops)
    else if (field.number === 2) full = field.bool()
    else field.skip()
  }
  return full
}

/**
 * Does not even look at what is over the limit, nor at anything once so much was malformed: to find that out costs more than a
 * sound entry, and a frame has room for two million.
 */
function readInto<T>(list: T[], bytes: Uint8Array, read: (bytes: Uint8Array) => T | undefined, max: number, drops: Drops): void {
  const isRead = list.length < max && drops.malformed < limits.malformedPartsMax.value
  const item = isRead ? read(bytes) : undefined
  if (isRead && item === undefined) drops.malformed++
  keep(list, item, max, drops)
}

function keep<T>(list: T[], item: T | undefined, max: number, drops: Drops): void {
  if (item === undefined || list.length >= max) drops.dropped++
  else list.push(item)
}

function readEntry(bytes: Uint8Array): WantlistEntry | undefined {
  const field = new Field(bytes)
  let cid: Uint8Array = new Uint8Array(0)
  let priority = 0
  let cancel = false
  let wantType = 0
  let sendDontHave = false
  while (field.next()) {
    if (field.number === 1) cid = field.bytes()
    else if (field.number === 2) priority = field.int32()
    else if (field.number === 3) cancel = field.bool()
    else if (field.number === 4) wantType = field.uint32()
    else if (field.number === 5) sendDontHave = field.bool()
    else field.skip()
  }
  if (wantType > 1 || !isCid(cid)) return undefined
  return { cid: cid.slice(), priority, cancel, wantType: wantType === 1 ? 'have' : 'block', sendDontHave }
}

function readBlock(bytes: Uint8Array): WireBlock | undefined {
  const field = new Field(bytes)
  let prefix: CidPrefix | undefined
  let data: Uint8Array = new Uint8Array(0)
  while (field.next()) {
    if (field.number === 1) prefix = decodeCidPrefix(field.bytes())
    else if (field.number === 2) data = field.bytes()
    else field.skip()
  }
  return prefix === undefined ? undefined : blockOf(prefix, data)
}

function blockOf(prefix: CidPrefix, data: Uint8Array): WireBlock | undefined {
  return data.length > limits.blockBytesMax.value ? undefined : { prefix, data: new Uint8Array(data) }
}

function readPresence(bytes: Uint8Array): BlockPresence | undefined {
  const field = new Field(bytes)
  let cid: Uint8Array = new Uint8Array(0)
  let type = 0
  while (field.next()) {
    if (field.number === 1) cid = field.bytes()
    else if (field.number === 2) type = field.uint32()
    else field.skip()
  }
  if (type > 1 || !isCid(cid)) return undefined
  return { cid: cid.slice(), type: type === 1 ? 'dont-have' : 'have' }
}
