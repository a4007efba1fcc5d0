import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build, type Metafile } from 'esbuild'
import type { Asset } from './server.ts'

/**
 * Bundles the page around the built package (`dist/`, which must stand) and keeps the files in memory. The page imports
 * `amino-worker` by its own name, so that it uses just what a stranger's page would use.
 */

const root = new URL('..', import.meta.url)

const javascript = 'text/javascript; charset=utf-8'

export async function buildPage(): Promise<{ assets: Map<string, Asset>; metafile: Metafile }> {
  const bundle = await bundleForPage('demo/page/main.ts')
  const assets = new Map<string, Asset>([
    ['/index.html', { type: 'text/html; charset=utf-8', body: await readFile(new URL('demo/index.html', root)) }],
    ['/page.css', { type: 'text/css; charset=utf-8', body: await readFile(new URL('demo/page/page.css', root)) }],
    ['/page.js', { type: javascript, body: bundle.text }],
    ['/worker.js', { type: javascript, body: await readWorker() }],
  ])
  return { assets, metafile: bundle.metafile }
}

/** One entry point, by its path from the root of the repository, and all it imports, as one module for the browser. `map`: its source map. */
export async function bundleForPage(entryPoint: string): Promise<{ text: string; map: string; metafile: Metafile }> {
  const result = await build({
    absWorkingDir: fileURLToPath(root),
    entryPoints: [entryPoint],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    minify: true,
    legalComments: 'none',
    write: false,
    metafile: true,
    sourcemap: 'external',
    logLevel: 'silent',
    outdir: 'out',
  })
  const textOf = (ending: string) => result.outputFiles.find(({ path }) => path.endsWith(ending))?.text
  const [text, map] = [textOf('.js'), textOf('.js.map')]
  if (text === undefined || map === undefined) throw new Error(`esbuild gave nothing for ${entryPoint}.`)
  return { text, map, metafile: result.metafile }
}

async function readWorker(): Promise<Uint8Array> {
  try {
    return await readFile(new URL('dist/worker.js', root))
  } catch {
    throw new Error('dist/worker.js is not there: run `npm run build` first.')
  }
}
