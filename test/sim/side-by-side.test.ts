import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSideBySide } from '../../sim/cli/side-by-side.ts'
import { failing, speaking } from '../support/experiments-in-parts.ts'

const module = new URL('../support/experiments-in-parts.ts', import.meta.url)
const options = { seed: 7, seeds: 1, peers: 30 }

test('parts in threads give what they give one after the other, and each is named once', async () => {
  const named: string[] = []
  const result = await runSideBySide(module, { ...speaking, parts: speaking.parts! }, options, (line) => named.push(line))
  assert.deepEqual(
    result,
    speaking.run(options, () => {}),
  )
  assert.deepEqual(result.notes, ['one of 7', 'two of 7', 'three of 7', 'four of 7', 'five of 7'])
  assert.deepEqual(named, ['one', 'two', 'three', 'four', 'five'])
})

test('a part that fails ends the others and is heard of', { timeout: 20_000 }, async () => {
  await assert.rejects(
    runSideBySide(module, { ...failing, parts: failing.parts! }, options, () => {}),
    /this part is bad/,
  )
})
