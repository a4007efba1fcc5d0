import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { limits } from '../../worker/engine/limits.ts'
import { build } from 'esbuild'
import { debugIsSilent, valuesOf, withNumbers } from '../../tools/lean-worker.ts'

test('limits become numbers where they are used, and nothing else changes', () => {
  const values = valuesOf(
    "const limits = {\n  a: limit(1_000, 'ms', 'why'),\n  b: limit(\n    2 * 3,\n    'ms',\n    'so',\n  ),\n}",
  )
  assert.deepEqual(
    [...values],
    [
      ['a', '1_000'],
      ['b', '2 * 3'],
    ],
  )
  const source = 'f(limits.a.value - limits.b.value, options.limits.a.value, limits.c.value, limits.a, myLimits.a.value)'
  assert.equal(
    withNumbers(source, values),
    'f((1_000) - (2 * 3), options.limits.a.value, limits.c.value, limits.a, myLimits.a.value)',
  )
})

test('the real list gives every value as it is', () => {
  const values = valuesOf(readFileSync('worker/engine/limits.ts', 'utf8'))
  const numbers = Object.entries(limits).map(([name, { value }]) => [name, value])
  assert.deepEqual(
    [...values].map(([name, text]) => [name, Number(text.replaceAll('_', ''))]),
    numbers,
  )
})

test("libp2p's logger works without what would print its lines", async () => {
  const entry = "export { defaultLogger, enabled } from '@libp2p/logger'"
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: import.meta.dirname },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    plugins: [debugIsSilent],
  })
  const { text } = outputFiles[0]!
  assert.doesNotMatch(text, /console|localStorage/)
  const { defaultLogger, enabled } = await import(`data:text/javascript,${encodeURIComponent(text)}`)
  const log = defaultLogger().forComponent('libp2p:test')
  log('one %p', 1)
  log.error('two %e', new Error('two'))
  log.trace('three')
  log.newScope('inner')('four')
  assert.deepEqual([log.enabled, log.error.enabled, log.trace.enabled, enabled('libp2p:test')], [false, false, false, false])
})
