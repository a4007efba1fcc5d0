/**
 * Varint length-prefixed frames, as kad and Bitswap streams carry them. The reader is incremental and bounded: it
 * never holds more than one unfinished frame, and allocates for what has arrived, not for what a prefix promises.
 *
 *   prefix ──length known──▶ body ──all bytes──▶ prefix      (any) ──bad prefix──▶ failed, for good
 */
export type FrameFault = 'malformed' | 'oversized'

export interface FrameResult {
  /** Whole frames in order, each with a buffer of its own or one it shares with the chunk it came in. */
  readonly frames: readonly Uint8Array[]
  /** The stream is of no use any more. Frames that were whole before the fault are in `frames`. */
  readonly error: FrameFault | undefined
}

export class FrameReader {
  readonly #frameBytesMax: number
  /** Of the frame under way; undefined while its prefix is read. */
  #length: number | undefined = undefined
  #prefix = 0
  #prefixBytes = 0
  #body = new Uint8Array(0)
  #filled = 0
  #error: FrameFault | undefined = undefined

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax
  }

  /** Whether the bytes so far end inside a frame: at the end of a stream, it was truncated. */
  get midFrame(): boolean {
    return this.#length !== undefined || this.#prefixBytes > 0
  }

  /** Bytes of the frame under way that have come. */
  get filledBytes(): number {
    return this.#filled
  }

  /** Bytes set aside for the frame under way. */
  get heldBytes(): number {
    return this.#body.length
  }

  /** `chunk` may also be what libp2p streams yield: a list of arrays with `subarray()`. */
  push(chunk: Uint8Array | { subarray(): Uint8Array }): FrameResult {
    const bytes = chunk instanceof Uint8Array ? chunk : chunk.subarray()
    const frames: Uint8Array[] = []
    let offset = 0
    while (offset < bytes.length && this.#error === undefined) {
      if (this.#length === undefined) {
        this.#readPrefixByte(bytes[offset++]!)
        if (this.#length === 0) frames.push(this.#finish(new Uint8Array(0)))
        continue
      }
      const missing = this.#length - this.#filled
      const part = bytes.subarray(offset, offset + missing)
      offset += part.length
      if (this.#filled === 0 && part.length === missing) frames.push(this.#finish(part))
      else if (this.#append(part, this.#length)) frames.push(this.#finish(this.#body))
    }
    return { frames, error: this.#error }
  }

  #readPrefixByte(byte: number): void {
    // Four bytes of seven bits reach 256 MiB: more than any frame may have, and no overflow.
    this.#prefix += (byte & 0x7f) << (7 * this.#prefixBytes)
    this.#prefixBytes++
    if (byte >= 0x80) {
      if (this.#prefixBytes === 4) this.#fail('oversized')
    } else if (byte === 0 && this.#prefixBytes > 1) this.#fail('malformed')
    else if (this.#prefix > this.#frameBytesMax) this.#fail('oversized')
    else this.#length = this.#prefix
  }

  /** Returns whether the frame is whole now. */
  #append(part: Uint8Array, length: number): boolean {
    const needed = this.#filled + part.length
    if (needed > this.#body.length) {
      const larger = new Uint8Array(Math.min(length, Math.max(needed, 2 * this.#body.length)))
      larger.set(this.#body.subarray(0, this.#filled))
      this.#body = larger
    }
    this.#body.set(part, this.#filled)
    this.#filled = needed
    return needed === length
  }

  #finish(frame: Uint8Array): Uint8Array {
    this.#length = undefined
    this.#prefix = 0
    this.#prefixBytes = 0
    this.#body = new Uint8Array(0)
    this.#filled = 0
    return frame
  }

  #fail(error: FrameFault): void {
    this.#error = error
    this.#body = new Uint8Array(0)
  }
}

/** The message with its length in front, in one buffer. */
export function encodeFrame(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const prefix: number[] = []
  let rest = message.length
  for (; rest >= 0x80; rest >>>= 7) prefix.push((rest & 0x7f) | 0x80)
  prefix.push(rest)
  const frame = new Uint8Array(prefix.length + message.length)
  frame.set(prefix)
  frame.set(message, prefix.length)
  return frame
}
