import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measure, packagesOf } from '../../tools/size.ts'

test('the bytes of a bundle are told by package and by room, most first', () => {
  const input = (bytesInOutput: number) => ({ bytesInOutput })
  const metafile = {
    inputs: {},
    outputs: {
      'dist/worker.js': {
        bytes: 600,
        imports: [],
        exports: [],
        inputs: {
          'node_modules/@libp2p/kad/src/a.js': input(100),
          'node_modules/@libp2p/kad/node_modules/tiny/b.js': input(50),
          'worker/engine/kad/kad.ts': input(200),
          'worker/engine/engine.ts': input(30),
          'src/index.ts': input(20),
        },
      },
    },
  }
  assert.deepEqual(packagesOf(metafile), [
    ['worker/engine', 230],
    ['@libp2p/kad', 100],
    ['tiny', 50],
    ['src', 20],
  ])
})

test('sizes are of the very bytes', () => {
  const { raw, gzip, brotli } = measure(new Uint8Array(10_000))
  assert.equal(raw, 10_000)
  assert.ok(gzip > 0 && gzip < 200)
  assert.ok(brotli > 0 && brotli < gzip)
})
