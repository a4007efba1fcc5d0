import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeFrame, FrameReader } from '../../worker/wire/frame.ts'

test('a frame is its length as a varint and then the message', () => {
  assert.deepEqual([...encodeFrame(Uint8Array.of(7, 8))], [2, 7, 8])
  assert.deepEqual([...encodeFrame(new Uint8Array(0))], [0])
  assert.deepEqual([...encodeFrame(new Uint8Array(300)).subarray(0, 3)], [0xac, 0x02, 0])
})

test('frames come out whole and in order however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 }),
      (messages, cuts) => {
        const stream = concat(messages.map((message) => encodeFrame(message)))
        const reader = new FrameReader(400)
        const frames: Uint8Array[] = []
        for (let offset = 0, turn = 0; offset < stream.length; turn++) {
          const end = offset + cuts[turn % cuts.length]!
          const result = reader.push(stream.subarray(offset, end))
          assert.equal(result.error, undefined)
          frames.push(...result.frames)
          offset = end
        }
        assert.deepEqual(frames.map(hex), messages.map(hex))
        assert.equal(reader.midFrame, false)
      },
    ),
    { numRuns: 1_000 },
  )
})

test('a stream that ends inside a prefix or a body is seen to be truncated', () => {
  const frame = encodeFrame(new Uint8Array(300))
  for (const length of [1, 2, 3, 301]) {
    const reader = new FrameReader(400)
    assert.deepEqual(reader.push(frame.subarray(0, length)), { frames: [], error: undefined })
    assert.equal(reader.midFrame, true)
  }
})

test('a list of arrays with subarray() is taken like one array', () => {
  const reader = new FrameReader(10)
  assert.deepEqual(reader.push({ subarray: () => Uint8Array.of(1, 9, 2, 8) }), { frames: [Uint8Array.of(9)], error: undefined })
  assert.equal(reader.midFrame, true)
})

test('a frame over the limit is refused at its prefix, and frames before it still count', () => {
  const reader = new FrameReader(4)
  assert.deepEqual(reader.push(Uint8Array.of(1, 9, 5)), { frames: [Uint8Array.of(9)], error: 'oversized' })
  assert.deepEqual(reader.push(Uint8Array.of(1, 9)), { frames: [], error: 'oversized' }, 'a failed reader stays failed')
})

test('a prefix that does not end, or is longer than it need be, is refused', () => {
  assert.equal(new FrameReader(4_194_304).push(Uint8Array.of(0xff, 0xff, 0xff, 0xff)).error, 'oversized')
  assert.equal(new FrameReader(4_194_304).push(Uint8Array.of(0x81, 0x00)).error, 'malformed')
})

test('the reader allocates for what arrived and not for what the prefix promises', () => {
  const promised = 4_194_304
  const start = encodeFrame(new Uint8Array(promised)).slice(0, 10)
  const before = process.memoryUsage().arrayBuffers
  const readers = Array.from({ length: 64 }, () => new FrameReader(promised))
  for (const reader of readers) reader.push(start)
  const allocated = process.memoryUsage().arrayBuffers - before
  assert.ok(readers.every((reader) => reader.midFrame))
  assert.ok(allocated < promised, `${allocated} bytes for 64 frames that have barely begun`)
})

test('any bytes whatever are frames or an error', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
      const reader = new FrameReader(100)
      const total = chunks.reduce((length, chunk) => length + chunk.length, 0)
      let bytes = 0
      for (const chunk of chunks) for (const frame of reader.push(chunk).frames) bytes += frame.length
      assert.ok(bytes <= total)
    }),
    { numRuns: 1_000 },
  )
})

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
