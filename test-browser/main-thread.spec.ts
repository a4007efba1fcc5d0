import { expect, test } from './support/fixtures.ts'

test('Fifty lookups cause no long task on the main thread', async ({ lab, stage }) => {
  const seen = await lab.evaluate(
    async ({ bootstrap, cids }) => {
      const client = await window.lab.start('one', { bootstrap })
      const longTasks = window.lab.watchLongTasks()
      let providers = 0
      for (let lookup = 0; lookup < 50; lookup += 1) {
        const found = await window.lab.collect(client.findProviders(cids[lookup % cids.length] ?? ''))
        providers += found.length
      }
      return { providers, longTasks: longTasks() }
    },
    { bootstrap: stage.bootstrap, cids: stage.samples.map((sample) => sample.cid) },
  )
  const expected = Array.from({ length: 50 }, (_, lookup) => stage.samples[lookup % stage.samples.length]?.providers ?? 0)
  expect(seen.providers).toBe(expected.reduce((sum, count) => sum + count, 0))
  expect(seen.longTasks).toEqual([])
})

test('The watch for long tasks sees one', async ({ lab }) => {
  const durations = await lab.evaluate(async () => {
    const longTasks = window.lab.watchLongTasks()
    await new Promise((resolve) => setTimeout(resolve))
    const until = performance.now() + 80
    while (performance.now() < until) Math.sqrt(until)
    // Told when the task is over: with the next observer call, or with the records taken then.
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))
    return longTasks()
  })
  expect(durations.length).toBeGreaterThan(0)
})
