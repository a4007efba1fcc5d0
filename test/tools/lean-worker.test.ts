import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { withoutReasons } from '../../tools/lean-worker.ts'

test('the reasons of limits go, in whatever lines they stand, and nothing else does', () => {
  const source =
    "const a = limit(1, 'ms', 'because (of) that')\nconst b = limit(\n  2 * 3,\n  'ms',\n  \"it's so\",\n)\nother(1, 'ms', 'stays')\n"
  assert.equal(
    withoutReasons(source),
    "const a = limit(1, 'ms', '')\nconst b = limit(\n  2 * 3,\n  'ms',\n  '',\n)\nother(1, 'ms', 'stays')\n",
  )
})

test('the real list loses every reason and keeps every value', async () => {
  const source = readFileSync('worker/engine/limits.ts', 'utf8')
  const lean = withoutReasons(source)
  const { limits } = (await import('../../worker/engine/limits.ts')) as {
    limits: Record<string, { value: number; reason: string }>
  }
  assert.ok(lean.length < source.length)
  for (const [name, { reason }] of Object.entries(limits)) assert.ok(!lean.includes(reason), `the reason of ${name} is gone`)
  for (const name of Object.keys(limits)) assert.ok(lean.includes(`${name}: limit(`), `${name} is still there`)
})
