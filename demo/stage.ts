import { createHash } from 'node:crypto'
import { buildPage } from './build.ts'
import { type Asset, type PageServer, PortTakenError, serveAssets } from './server.ts'
import type { SwarmObserver } from './swarm/observer.ts'
import type { SwarmOptions } from './swarm/options.ts'
import { startSwarm, type Swarm, type SwarmExtras } from './swarm/swarm.ts'

/** The swarm and the page's server together: what the demo, its check and the browser tests run on. */

export interface Stage {
  readonly swarm: Swarm
  readonly server: PageServer
  stop(): Promise<void>
}

const preferredPort = 8_700

/** `port` undefined: 8700, or any free one. `extraAssets` are served beside the page. */
export async function startStage(
  swarmOptions: Partial<SwarmOptions>,
  port: number | undefined,
  extraAssets: ReadonlyMap<string, Asset> = new Map(),
  observer?: SwarmObserver,
  extras: SwarmExtras = {},
): Promise<Stage> {
  const { assets } = await buildPage()
  for (const [path, asset] of extraAssets) assets.set(path, asset)
  // The port comes first: where it is taken, nobody waits for a swarm in vain.
  const server = port === undefined ? await serveAnywhere(assets) : await serveAssets(assets, port)
  try {
    const swarm = await startSwarm(swarmOptions, observer, extras)
    assets.set('/swarm.json', { type: 'application/json', body: JSON.stringify(describe(swarm)) })
    const heard = (query: URLSearchParams) => JSON.stringify(swarm.heardOf(query.get('peer') ?? ''))
    assets.set('/servers.json', { type: 'application/json', body: heard })
    return {
      swarm,
      server,
      stop: async () => {
        await server.close()
        await swarm.stop()
      },
    }
  } catch (error) {
    await server.close()
    throw error
  }
}

async function serveAnywhere(assets: ReadonlyMap<string, Asset>): Promise<PageServer> {
  try {
    return await serveAssets(assets, preferredPort)
  } catch (error) {
    if (!(error instanceof PortTakenError)) throw error
    return serveAssets(assets, 0)
  }
}

/** What `page/visit.ts` reads as `SwarmInfo`. The name differs with every address, so that no table outlives its swarm. */
function describe(swarm: Swarm) {
  const name = createHash('sha256').update(swarm.bootstrap.join(' ')).digest('hex').slice(0, 8)
  const samples = swarm.samples.map((sample) => ({ name: sample.name, cid: sample.cid, kind: sample.kind, bytes: sample.bytes }))
  return { name, bootstrap: swarm.bootstrap, peers: swarm.peers.length, samples }
}
