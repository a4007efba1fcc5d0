import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { limits } from '../../worker/engine/limits.ts'
import { valuesOf, withNumbers } from '../../tools/lean-worker.ts'

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
