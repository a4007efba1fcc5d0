import { unixfs } from '@helia/unixfs'
import { multiaddr } from '@multiformats/multiaddr'
import type { AminoClientOptions } from 'amino-worker'
import { type HeliaWithAmino, withAmino } from 'amino-worker/helia'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'

/** The page of a dapp on Helia: all its network is the client's. A spec looks at what this is bundled of. */

export const heliaLab = {
  helia: undefined as HeliaWithAmino | undefined,
  start,
  cat,
  add,
}

declare global {
  interface Window {
    heliaLab: typeof heliaLab
  }
}

window.heliaLab = heliaLab

async function start(options: AminoClientOptions): Promise<void> {
  heliaLab.helia = await withAmino(createHeliaLight(), { storage: false, allowPrivateAddresses: true, ...options }).start()
}

export function running(): HeliaWithAmino {
  if (heliaLab.helia === undefined) throw new Error('No Helia was started.')
  return heliaLab.helia
}

interface CatOptions {
  /** Addresses of peers that are asked first. */
  readonly providers?: readonly string[]
  readonly session?: boolean
  readonly timeoutMs?: number
}

/** Reads a whole file; what it gives says whether it is the right one. */
async function cat(text: string, { providers = [], session = false, timeoutMs = 30_000 }: CatOptions = {}) {
  const helia = running()
  const cid = CID.parse(text)
  const peers = providers.map((address) => multiaddr(address))
  const blockstore = session ? helia.blockstore.createSession(cid, { providers: peers }) : helia.blockstore
  const events = new Map<string, number>()
  const onProgress = ({ type }: { type: string }): void => void events.set(type, (events.get(type) ?? 0) + 1)
  const chunks: Uint8Array[] = []
  const startedAt = performance.now()
  const options = { signal: AbortSignal.timeout(timeoutMs), onProgress, ...(session ? {} : { providers: peers }) }
  for await (const chunk of unixfs({ blockstore }).cat(cid, options)) chunks.push(chunk)
  const ms = performance.now() - startedAt
  const bytes = new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer())
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return { length: bytes.length, digest: hex(digest), events: Object.fromEntries(events), ms }
}

/** Adds a file, provides it, and tells where this page can be dialed. */
async function add(text: string): Promise<{ cid: string; peerId: string; addresses: readonly string[] }> {
  const helia = running()
  const client = helia.amino
  const cid = await unixfs(helia).addBytes(new TextEncoder().encode(text))
  while ((await client.status()).addresses.length === 0) {
    await new Promise((wake) => client.addEventListener('addresses', wake, { once: true }))
  }
  await helia.routing.provide(cid)
  return { cid: cid.toString(), peerId: client.peerId, addresses: (await client.status()).addresses }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
