import { bundleForPage } from '../../demo/build.ts'
import type { Asset } from '../../demo/server.ts'
import { exampleAssets } from '../../examples/assets.ts'
import { startStage } from '../../demo/stage.ts'
import type { StageInfo } from './stage-info.ts'
import { watchedAssets } from './watched-assets.ts'

/**
 * The swarm and the server, in a process of their own, so that neither the test runner nor a spec slows them down.
 * Prints one line of JSON when all is up, and ends when its standard input does: with the test runner, whatever
 * becomes of that.
 */

const javascript = 'text/javascript; charset=utf-8'

const labPage = (script: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8" /><title>Lab</title><link rel="icon" href="data:," /><script type="module" src="${script}"></script></head><body></body></html>
`

/** A Worker in which the browser refuses IndexedDB: the refusal is evaluated before the Worker's own script. */
const refusingStorage = `Object.defineProperty(globalThis, 'indexedDB', {
  value: { open() { throw new DOMException('The browser refuses to store.', 'SecurityError') } },
})
`

/** A page for each script, by the name of its HTML file. */
const labs = { lab: 'lab', helia: 'helia-names-lab', libp2p: 'libp2p-lab' }

/** A Worker that may ask HTTP servers on this machine: its own policy counts, not the page's. */
const routerPolicy = "default-src 'self'; connect-src ws: http://127.0.0.1:*"

const extraAssets = new Map<string, Asset>([
  ['/refusing-storage.js', { type: javascript, body: refusingStorage }],
  ['/worker-without-storage.js', { type: javascript, body: "import './refusing-storage.js'\nimport './worker.js'\n" }],
  [
    '/worker-for-routers.js',
    { type: javascript, body: "import './worker.js'\n", headers: { 'content-security-policy': routerPolicy } },
  ],
  ['/worker-with-syntax-error.js', { type: javascript, body: 'this is no script' }],
])

for (const [path, asset] of [...(await exampleAssets()), ...(await watchedAssets())]) extraAssets.set(path, asset)

for (const [name, script] of Object.entries(labs)) {
  const { text } = await bundleForPage(`test-browser/support/${script}.ts`)
  extraAssets.set(`/${name}.html`, { type: 'text/html; charset=utf-8', body: labPage(`${script}.js`) })
  extraAssets.set(`/${script}.js`, { type: javascript, body: text })
}

const stage = await startStage({}, 0, extraAssets)
const { bootstrap, relays, samples, peers } = stage.swarm
const info: StageInfo = { url: stage.server.url, bootstrap, relays, samples, peers }
process.stdout.write(`${JSON.stringify(info)}\n`)

process.stdin.resume()
process.stdin.once('end', () => process.exit(0))
