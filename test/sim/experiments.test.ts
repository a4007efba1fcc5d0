import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commonPrefixLength } from '../../worker/engine/kad/distance.ts'
import { keyOf } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { limits } from '../../worker/engine/limits.ts'
import { svgOf } from '../../sim/cli/plot.ts'
import { consoleText, markdownPage } from '../../sim/cli/text.ts'
import { formatCell } from '../../sim/experiments/experiment.ts'
import { balancedHeads, randomHeads } from '../../sim/experiments/coverage.ts'
import { experiments } from '../../sim/experiments/list.ts'
import { lookupCost } from '../../sim/experiments/lookup-cost.ts'
import { overload } from '../../sim/experiments/overload.ts'

test('names of experiments are different, and file names', () => {
  const names = experiments.map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  for (const name of names) assert.match(name, /^[a-z\d-]+$/)
})

test('the same options give the same result, and a page and plots with every series come from it', () => {
  const options = { seed: 4, seeds: 3, peers: 10_000 }
  const result = lookupCost.run(options, () => {})
  assert.deepEqual(
    lookupCost.run(options, () => {}),
    result,
  )
  const page = markdownPage(lookupCost.title, 'npm run sim', result)
  assert.match(page, /\| n \| heap \| sort \|/)
  assert.match(page, /lookup-cost-comparisons\.svg/)
  assert.match(consoleText(result), /± \d/)
  const svg = svgOf(result.plots[0]!)
  assert.equal(svg.match(/<polyline/g)?.length, 3)
  assert.ok(!svg.includes('NaN') && !svg.includes('Infinity'))
})

test('the bounded heap compares less than a sort, names the same peers and keeps no more than k', () => {
  const { tables } = lookupCost.run({ seed: 1, seeds: 2, peers: 10_000 }, () => {})
  for (const row of tables[0]!.rows) {
    const [, , , timesFewer, , kept, , same] = row
    assert.ok((timesFewer as number) > 4)
    assert.equal(kept, 20)
    assert.equal(same, 'yes')
  }
})

test('under ten times the load no bound is exceeded and everything ends', () => {
  const { tables } = overload.run({ seed: 1, seeds: 1, peers: 200 }, () => {})
  for (const row of tables[1]!.rows) {
    const [, bound, seen] = row as [string, number, number]
    assert.ok(seen <= bound, row.map(formatCell).join(' '))
  }
  const outcomes = new Map(tables[2]!.rows.map(([label, value]) => [label, (value as { mean: number }).mean]))
  assert.ok(outcomes.get('refused at once, with `too-many-queries`')! > 1_000)
  assert.ok(outcomes.get('accepted')! >= limits.kadSearchesMax.value)
  assert.equal(outcomes.get('accepted and answered'), outcomes.get('accepted'))
})

test('balanced heads lie less deep in their trie than random ones', () => {
  const depths = (ids: readonly Uint8Array[]) => {
    const keys = ids.map((id) => keyOf(id))
    return keys.map((key) => Math.max(...keys.map((other) => (other === key ? 0 : commonPrefixLength(key, other)))))
  }
  const deepest = (ids: readonly Uint8Array[]) => Math.max(...depths(ids))
  const balanced = Array.from({ length: 5 }, (_, seed) => deepest(balancedHeads(new Rng(seed), 200)))
  const random = Array.from({ length: 5 }, (_, seed) => deepest(randomHeads(new Rng(seed), 200)))
  assert.ok(Math.max(...balanced) < Math.min(...random), `${balanced.join(' ')} against ${random.join(' ')}`)
})
