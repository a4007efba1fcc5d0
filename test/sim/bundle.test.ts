import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createContext, runInContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import { smallWorld } from '../../sim/small-world.ts'

test('a small world bundled for a Worker needs no platform and has the same trace as in Node', async () => {
  const { outputFiles } = await build({
    entryPoints: ['sim/small-world.ts'],
    bundle: true,
    format: 'iife',
    globalName: 'sim',
    platform: 'browser',
    minify: true,
    write: false,
    logLevel: 'silent',
  })
  const code = outputFiles[0]!.text
  // A realm with the language in it and nothing else.
  const there = runInContext(`${code};JSON.stringify(sim.smallWorld(3, 100, 2))`, createContext({}), {
    timeout: 20_000,
  }) as string
  assert.deepEqual(JSON.parse(there), smallWorld(3, 100, 2))
})

test('in a thread of its own it has the same trace, too', async () => {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData).then(({ smallWorld }) => parentPort.postMessage(smallWorld(3, 100, 2)))`
  const worker = new Worker(code, { eval: true, workerData: new URL('../../sim/small-world.ts', import.meta.url).href })
  const there = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  await worker.terminate()
  assert.deepEqual(there, smallWorld(3, 100, 2))
})
