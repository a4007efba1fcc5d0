import { type AminoClient, AminoError, createAminoClient } from 'amino-worker'

/** One start of the client on one of the two networks. */

/** What `demo/main.ts` tells about the swarm it has started, at `swarm.json`. */
export interface SwarmInfo {
  /** Differs between swarms, so that the table of one is not tried on the next. */
  readonly name: string
  readonly bootstrap: readonly string[]
  readonly peers: number
  readonly samples: readonly Sample[]
}

export interface Sample {
  readonly name: string
  readonly cid: string
  readonly kind: 'raw' | 'unixfs'
  readonly bytes: number
}

export interface Network {
  readonly type: 'local' | 'public'
  readonly storage: string
  readonly bootstrap: readonly string[] | undefined
  readonly samples: readonly Sample[]
}

export interface Visit {
  readonly client: AminoClient
  readonly readyMs: number
  /** Why nothing of this visit is kept although it should be. */
  readonly inMemoryBecause: AminoError | undefined
}

/** Folders that many peers of the public network keep. */
const publicSamples: readonly Sample[] = [
  { name: 'IPFS welcome folder', cid: 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPBdG', kind: 'unixfs', bytes: 0 },
  {
    name: 'IPFS documentation example',
    cid: 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi',
    kind: 'unixfs',
    bytes: 0,
  },
]

export async function loadSwarm(): Promise<SwarmInfo> {
  const response = await fetch('swarm.json')
  if (!response.ok) throw new Error(`The page could not read swarm.json (HTTP ${response.status}). Start it with: npm run demo`)
  return (await response.json()) as SwarmInfo
}

export function networkOf(type: Network['type'], swarm: SwarmInfo): Network {
  return type === 'local'
    ? { type, storage: `amino-demo-${swarm.name}`, bootstrap: swarm.bootstrap, samples: swarm.samples }
    : { type, storage: 'amino-demo-public', bootstrap: undefined, samples: publicSamples }
}

/** A second tab of this page finds the storage in use, and goes on without keeping anything. */
export async function startVisit(network: Network): Promise<Visit> {
  const begunAt = performance.now()
  const start = (storage: string | false) =>
    createAminoClient({
      bootstrap: network.bootstrap,
      storage,
      identity: storage === false ? 'fresh' : 'kept',
      allowPrivateAddresses: network.type === 'local',
      worker: new URL('worker.js', document.baseURI),
    })
  try {
    const client = await start(network.storage)
    return { client, readyMs: performance.now() - begunAt, inMemoryBecause: undefined }
  } catch (error) {
    if (!(error instanceof AminoError) || error.code !== 'storage-in-use') throw error
    const client = await start(false)
    return { client, readyMs: performance.now() - begunAt, inMemoryBecause: error }
  }
}

/** Removes what was kept. The client on it must have stopped. */
export function forget(network: Network): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(network.storage)
    request.onsuccess = () => resolve()
    request.onerror = () => reject(request.error ?? new Error('The browser refused to delete the database.'))
    request.onblocked = () => reject(new Error('Another tab of this page still uses the storage: close it first.'))
  })
}
