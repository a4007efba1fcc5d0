/**
 * Reading protobuf that strangers wrote. Writing is done with the writer of protons-runtime (libp2p brings it anyway);
 * what it has for reading is too trusting:
 * - generated decoders throw a whole message away when one list is too long, let an inner message read past its own end,
 *   and follow nested groups by recursion;
 * - the reader misreads varints of six to nine bytes, throws errors that do not tell faults apart, and reads on when a
 *   field has another wire type than the schema says.
 * Here a list that is too long is cut and counted, an inner message ends where its length says, and faults are values.
 * The codecs are checked against the generated ones of @libp2p/kad-dht and @helia/bitswap in `test/wire/`.
 */

/** Why bytes are no message: broken form, a part over a limit, end too early, or a type we do not speak. */
export type WireFault = 'malformed' | 'oversized' | 'truncated' | 'unsupported'

export type Decoded<T> =
  /** `dropped`: parts that were left out because they were malformed or over a limit. */
  { readonly ok: true; readonly message: T; readonly dropped: number } | { readonly ok: false; readonly reason: WireFault }

/** Thrown inside a decoder only; `decoding` turns it into a value. */
export class WireError extends Error {
  readonly reason: WireFault

  constructor(reason: WireFault) {
    super(reason)
    this.reason = reason
  }
}

/** Counts what was left out of the message being decoded; `malformed`: of that, what was looked at. */
export interface Drops {
  dropped: number
  malformed: number
}

/** Runs a decoder. Every fault of the bytes becomes a value; faults of ours are thrown on. */
export function decoding<T>(bytes: Uint8Array, bytesMax: number, decode: (drops: Drops) => T): Decoded<T> {
  if (bytes.length > bytesMax) return { ok: false, reason: 'oversized' }
  const drops: Drops = { dropped: 0, malformed: 0 }
  try {
    const message = decode(drops)
    return { ok: true, message, dropped: drops.dropped }
  } catch (error) {
    if (error instanceof WireError) return { ok: false, reason: error.reason }
    throw error
  }
}

/** Walks over the fields of a message. A value is taken with the method of the type that the schema gives the field. */
export class Field {
  /** Of the current field, as in the schema. */
  number = 0
  #wireType = 0
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Goes to the next field. The last one's value must have been taken or skipped. */
  next(): boolean {
    if (this.#offset === this.#bytes.length) return false
    const tag = this.#varint()
    this.number = tag >>> 3
    this.#wireType = tag & 7
    if (this.number === 0) throw new WireError('malformed')
    return true
  }

  uint32(): number {
    if (this.#wireType !== 0) throw new WireError('malformed')
    return this.#varint()
  }

  int32(): number {
    return this.uint32() | 0
  }

  bool(): boolean {
    return this.uint32() !== 0
  }

  /** A view of the message's bytes: copy what outlives it. */
  bytes(): Uint8Array {
    if (this.#wireType !== 2) throw new WireError('malformed')
    return this.#take(this.#varint())
  }

  /** For fields that this version does not know. Groups ended with proto2 and are not followed. */
  skip(): void {
    switch (this.#wireType) {
      case 0:
        this.#varint()
        return
      case 1:
        this.#take(8)
        return
      case 2:
        this.bytes()
        return
      case 5:
        this.#take(4)
        return
      default:
        throw new WireError('malformed')
    }
  }

  #take(length: number): Uint8Array {
    const end = this.#offset + length
    if (end > this.#bytes.length) throw new WireError('truncated')
    const taken = this.#bytes.subarray(this.#offset, end)
    this.#offset = end
    return taken
  }

  /** The low 32 bits: no field of ours has more, and negative numbers come in ten bytes. */
  #varint(): number {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#offset === this.#bytes.length) throw new WireError('truncated')
      const byte = this.#bytes[this.#offset++]!
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw new WireError('malformed')
  }
}
