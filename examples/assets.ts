import { bundleForPage } from '../demo/build.ts'
import type { Asset } from '../demo/server.ts'

/** Each example as a page of its own, `/examples/<name>.html`, around the built package. */

export const exampleNames = ['plain', 'helia-cat', 'ipns', 'provide'] as const

export async function exampleAssets(names: readonly string[] = exampleNames): Promise<Map<string, Asset>> {
  const assets = new Map<string, Asset>()
  for (const name of names) {
    const { text } = await bundleForPage(`examples/pages/${name}.ts`)
    const body = `<!doctype html>
<html lang="en"><head><meta charset="utf-8" /><title>${name}</title><link rel="icon" href="data:," />
<script type="module" src="/${name}.js"></script></head><body></body></html>
`
    assets.set(`/examples/${name}.html`, { type: 'text/html; charset=utf-8', body })
    // Beside the Worker, which the client looks for there.
    assets.set(`/${name}.js`, { type: 'text/javascript; charset=utf-8', body: text })
  }
  return assets
}
