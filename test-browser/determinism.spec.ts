import { runInThisContext } from 'node:vm'
import { build } from 'esbuild'
import { expect, test } from './support/fixtures.ts'

test('A small world has the same trace in a Worker of this browser, and on its page, as in Node', async ({ page }) => {
  const { outputFiles } = await build({
    entryPoints: ['sim/small-world.ts'],
    bundle: true,
    format: 'iife',
    globalName: 'sim',
    platform: 'browser',
    write: false,
    logLevel: 'silent',
  })
  const run = `${outputFiles[0]?.text ?? ''};JSON.stringify([1, 2, 3].map((seed) => sim.smallWorld(seed, 200, 3)))`
  const here = JSON.parse(runInThisContext(run) as string) as { digest: string }[]
  const there = await page.evaluate(
    (code) =>
      new Promise<unknown>((resolve, reject) => {
        const script = `postMessage((0, eval)(${JSON.stringify(code)}))`
        const worker = new Worker(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })))
        worker.onmessage = (event) => resolve(JSON.parse(event.data as string))
        worker.onerror = (event) => reject(new Error(event.message))
      }),
    run,
  )
  expect(there).toEqual(here)
  expect(JSON.parse(await page.evaluate<string>(run))).toEqual(here)
  expect(new Set(here.map(({ digest }) => digest)).size, 'each seed has a trace of its own').toBe(3)
})
