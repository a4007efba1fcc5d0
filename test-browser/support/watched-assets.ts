import { bundleForPage } from '../../demo/build.ts'
import type { Asset } from '../../demo/server.ts'

/** `/worker-watched.js`: the Worker with `watch-worker.ts` evaluated before it. */
export async function watchedAssets(): Promise<Map<string, Asset>> {
  const type = 'text/javascript; charset=utf-8'
  const { text } = await bundleForPage('test-browser/support/watch-worker.ts')
  return new Map([
    ['/watch-worker.js', { type, body: text }],
    ['/worker-watched.js', { type, body: "import './watch-worker.js'\nimport './worker.js'\n" }],
  ])
}
