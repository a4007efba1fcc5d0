/**
 * A fingerprint of everything that happened, in order. Two runs with the same seed must have the same; that is the
 * proof of determinism, in Node and in a browser. Two lanes of FNV-1a over 32-bit words: quick, and no secret.
 */
export class Trace {
  #low = 0x811c9dc5
  #high = 0x01000193
  #words = 0
  readonly #scratch = new DataView(new ArrayBuffer(8))

  /** How many words went in. */
  get length(): number {
    return this.#words
  }

  word(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193)
    this.#high = Math.imul(this.#high ^ (word + this.#words), 0x85ebca6b)
    this.#high ^= this.#high >>> 15
    this.#words++
  }

  number(value: number): void {
    this.#scratch.setFloat64(0, value)
    this.word(this.#scratch.getInt32(0))
    this.word(this.#scratch.getInt32(4))
  }

  bytes(bytes: Uint8Array): void {
    this.word(bytes.length)
    for (const byte of bytes) this.word(byte)
  }

  text(text: string): void {
    this.word(text.length)
    for (let index = 0; index < text.length; index++) this.word(text.charCodeAt(index))
  }

  /** 16 hexadecimal digits. */
  digest(): string {
    return [this.#high, this.#low].map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('')
  }
}
