import assert from 'node:assert/strict'
import { test } from 'node:test'
import { largestProviders, Workload } from '../../sim/world/workload.ts'

const dayMs = 86_400_000

test('a place holds one content at a time, and whoever asks when is told the same', () => {
  const workload = new Workload(7, { contents: 50 })
  for (let place = 0; place < 50; place++) {
    let time = 0
    for (let generation = 0; generation < 5; generation++) {
      const content = workload.contentAt(place, time)
      assert.equal(content.bornAt, time)
      assert.ok(content.goneAt > time)
      assert.deepEqual(new Workload(7, { contents: 50 }).contentAt(place, (time + content.goneAt) / 2), content)
      assert.notDeepEqual(workload.contentAt(place, content.goneAt).multihash, content.multihash)
      time = content.goneAt
    }
  }
})

test('content has as many providers, as unevenly spread, and changes as fast as the report says (B9)', () => {
  const workload = new Workload(8, { contents: 10_000 })
  const contents = workload.at(3 * dayMs)
  const near = (actual: number, expected: number) => assert.ok(Math.abs(actual - expected) < 0.015, `${actual}, not ${expected}`)
  const share = (matches: (providers: readonly number[]) => boolean) =>
    contents.filter(({ providers }) => matches(providers)).length / contents.length
  near(
    share(({ length }) => length === 1),
    0.83,
  )
  near(
    share(({ length }) => length === 2),
    0.1,
  )
  for (const [rank, expected] of largestProviders.entries())
    near(
      share((providers) => providers.includes(rank)),
      expected.share,
    )
  near(contents.filter(({ goneAt }) => goneAt > 4 * dayMs).length / contents.length, 0.5)
  for (const { providers } of contents) assert.equal(new Set(providers).size, providers.length)
})

test('a provider is in a zone of one of its countries', () => {
  const workload = new Workload(9)
  const seen = new Set<number>()
  for (let provider = 0; provider < 500; provider++) {
    const zone = workload.zoneOf(provider)
    const [country] = workload.countriesOf(provider)
    seen.add(zone)
    if (country === 'US') assert.ok(zone <= 1)
    else if (country === 'KR') assert.equal(zone, 3)
    else assert.ok(zone >= 2)
  }
  assert.equal(seen.size, 6)
})
