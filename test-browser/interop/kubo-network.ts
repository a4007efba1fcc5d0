import { buildPage, bundleForPage } from '../../demo/build.ts'
import { type Asset, serveAssets } from '../../demo/server.ts'
import { watchedAssets } from '../support/watched-assets.ts'
import { startKubo, type KuboNode } from './kubo-node.ts'

/** Several Kubos that know each other, their LAN DHT, and the page's server. */

export interface KuboNetwork {
  /** Ends with a slash. */
  readonly url: string
  readonly nodes: readonly KuboNode[]
  stop(): Promise<void>
}

export const lanProtocol = '/ipfs/lan/kad/1.0.0'
const nodeCount = 5

export async function startKuboNetwork(): Promise<KuboNetwork> {
  const binary = process.env['KUBO_BIN']
  if (binary === undefined) throw new Error('KUBO_BIN is not set: "npm run test:interop" finds a Kubo and sets it.')
  const nodes: KuboNode[] = []
  try {
    for (let count = 0; count < nodeCount; count++) nodes.push(await startKubo(binary))
    for (const [index, node] of nodes.entries()) {
      for (const other of nodes.slice(index + 1)) await node.ipfs(['swarm', 'connect', other.tcp])
    }
    const { assets } = await buildPage()
    const lab = await bundleForPage('test-browser/support/lab.ts')
    for (const [path, asset] of [...labAssets(lab.text), ...(await watchedAssets())]) assets.set(path, asset)
    const server = await serveAssets(assets, 0)
    return {
      url: server.url,
      nodes,
      stop: async () => {
        await server.close()
        await Promise.all(nodes.map((node) => node.stop()))
      },
    }
  } catch (error) {
    await Promise.all(nodes.map((node) => node.stop()))
    throw error
  }
}

function labAssets(script: string): Map<string, Asset> {
  const page =
    '<!doctype html><html lang="en"><head><meta charset="utf-8" /><title>Lab</title><link rel="icon" href="data:," /><script type="module" src="lab.js"></script></head><body></body></html>'
  return new Map([
    ['/lab.html', { type: 'text/html; charset=utf-8', body: page }],
    ['/lab.js', { type: 'text/javascript; charset=utf-8', body: script }],
  ])
}
