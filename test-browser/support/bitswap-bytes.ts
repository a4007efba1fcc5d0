import { reader, writer } from 'protons-runtime'

/** Bitswap 1.2.0 as bytes, for peers that do not keep to it. Fields as in the specification. */

export interface Want {
  readonly cid: Uint8Array
  readonly isForBlock: boolean
}

/** The message with its length in front. */
export function frame(message: Uint8Array): Uint8Array {
  return Buffer.concat([writer().uint32(message.length).finish(), message])
}

export function blockMessage(cid: Uint8Array, data: Uint8Array): Uint8Array {
  // The prefix is what stands before the digest: version, codec, hash function, digest length; one byte each here.
  return writer().uint32(26).fork().uint32(10).bytes(cid.subarray(0, 4)).uint32(18).bytes(data).ldelim().finish()
}

export function presenceMessage(cids: readonly Uint8Array[], type: 'have' | 'dont-have'): Uint8Array {
  const out = writer()
  for (const cid of cids)
    out
      .uint32(34)
      .fork()
      .uint32(10)
      .bytes(cid)
      .uint32(16)
      .int32(type === 'have' ? 0 : 1)
      .ldelim()
  return out.finish()
}

export function wantMessage(cids: readonly Uint8Array[]): Uint8Array {
  const out = writer()
  out.uint32(10).fork()
  for (const cid of cids) out.uint32(10).fork().uint32(10).bytes(cid).uint32(16).int32(1).uint32(40).bool(true).ldelim()
  return out.ldelim().finish()
}

/** Two bytes an entry: its tag, and that it has nothing in it. */
export function emptyWantsMessage(entries: number): Uint8Array {
  const pairs = new Uint8Array(2 * entries)
  for (let at = 0; at < pairs.length; at += 2) pairs[at] = 10
  return writer().uint32(10).bytes(pairs).finish()
}

/** What a message asks for; cancels are left out. */
export function wantsOf(message: Uint8Array): Want[] {
  const wants: Want[] = []
  for (const wantlist of fields(message).filter(({ number }) => number === 1)) {
    for (const { number, value } of fields(wantlist.value as Uint8Array)) {
      if (number !== 1) continue
      const entry = new Map(fields(value as Uint8Array).map((field) => [field.number, field.value]))
      if (entry.get(3) !== 1) wants.push({ cid: entry.get(1) as Uint8Array, isForBlock: entry.get(4) !== 1 })
    }
  }
  return wants
}

/** Of the two wire types that Bitswap uses: varints and bytes. */
function fields(message: Uint8Array): { readonly number: number; readonly value: number | Uint8Array }[] {
  const input = reader(message)
  const found: { number: number; value: number | Uint8Array }[] = []
  while (input.pos < input.len) {
    const tag = input.uint32()
    found.push({ number: tag >>> 3, value: (tag & 7) === 2 ? input.bytes() : input.int32() })
  }
  return found
}
