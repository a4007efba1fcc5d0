import { exporter, type UnixFSEntry } from 'ipfs-unixfs-exporter'
import type { AminoClient, PeerInfo } from 'amino-worker'
import type { CID } from 'multiformats/cid'
import { showBytes, showFolder } from './display.ts'
import type { FetchResult } from './results.ts'
import { bytes, codeOf, count, milliseconds } from './words.ts'

export interface ContentPlaces {
  readonly content: HTMLElement
  readonly facts: HTMLElement
  readonly progress: HTMLProgressElement
}

const dagPb = 0x70
const raw = 0x55
const contentBytesMax = 64 * 1_024 * 1_024
const parallelBlocks = 8

/**
 * Fetches what the CID stands for and shows it: a raw block as it is, a UnixFS file put together by
 * `ipfs-unixfs-exporter`, which reads its blocks through one Bitswap session of the client. Providers that a search has
 * already found are asked first.
 */
export async function fetchContent(
  client: AminoClient,
  cid: CID,
  providers: readonly PeerInfo[],
  signal: AbortSignal,
  places: ContentPlaces,
  onResult: (result: FetchResult) => void,
): Promise<FetchResult> {
  const begunAt = performance.now()
  let result: FetchResult = {
    cid: cid.toString(),
    outcome: 'running',
    kind: undefined,
    blocks: 0,
    bytes: 0,
    ms: undefined,
    code: undefined,
  }
  const told = (change: Partial<FetchResult>) => {
    result = { ...result, ...change }
    onResult(result)
  }
  const senders = new Set<string>()
  begin(places)
  told({})
  try {
    await using session = await client.createSession({ signal })
    const getBlock = async (wanted: CID): Promise<Uint8Array> => {
      const block = await session.getBlock(wanted, { providers, signal })
      if (block.from !== undefined) senders.add(block.from)
      told({ blocks: result.blocks + 1, bytes: result.bytes + block.bytes.length })
      places.facts.textContent = `${count(result.blocks, 'block')}, ${bytes(result.bytes)}`
      return block.bytes
    }
    const fetched = await read(cid, getBlock, signal, places.progress)
    const ms = performance.now() - begunAt
    const kind = fetched.type === 'folder' ? 'folder' : await showBytes(places.content, fetched.bytes)
    if (fetched.type === 'folder') showFolder(places.content, fetched.names)
    told({ outcome: 'done', kind, ms })
    const source = senders.size === 0 ? 'from this browser' : `from ${count(senders.size, 'peer')}`
    places.facts.textContent = `${bytes(result.bytes)} in ${count(result.blocks, 'block')}, ${source}, ${milliseconds(ms)}`
  } catch (error) {
    told({ outcome: signal.aborted ? 'aborted' : 'failed', ms: performance.now() - begunAt, code: codeOf(error) })
    places.facts.textContent = ''
    throw error
  } finally {
    places.progress.hidden = true
  }
  return result
}

function begin(places: ContentPlaces): void {
  places.content.replaceChildren()
  places.facts.textContent = 'asking the network for the first block …'
  places.progress.removeAttribute('value')
  places.progress.hidden = false
}

type Fetched =
  | { readonly type: 'file'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'folder'; readonly names: readonly string[] }

async function read(
  cid: CID,
  getBlock: (wanted: CID) => Promise<Uint8Array>,
  signal: AbortSignal,
  progress: HTMLProgressElement,
): Promise<Fetched> {
  if (cid.code === raw) return { type: 'file', bytes: new Uint8Array(await getBlock(cid)) }
  if (cid.code !== dagPb) {
    const code = `0x${cid.code.toString(16)}`
    throw new Error(`This page shows raw blocks and UnixFS files. The CID's codec, ${code}, is another one.`)
  }
  const blockstore = {
    get: async function* (wanted: CID) {
      yield await getBlock(wanted)
    },
  }
  const entry = await exporter(cid, blockstore, { signal })
  if (entry.type === 'directory') return { type: 'folder', names: await namesOf(entry) }
  if (entry.type !== 'file' && entry.type !== 'raw')
    throw new Error('This page shows UnixFS files and folders, and this is neither.')
  return { type: 'file', bytes: await joined(entry, signal, progress) }
}

async function joined(
  file: Extract<UnixFSEntry, { type: 'file' | 'raw' }>,
  signal: AbortSignal,
  progress: HTMLProgressElement,
): Promise<Uint8Array<ArrayBuffer>> {
  const size = Number(file.size)
  if (size > contentBytesMax)
    throw new Error(`The file has ${bytes(size)}; this page shows files of up to ${bytes(contentBytesMax)}.`)
  const whole = new Uint8Array(size)
  let at = 0
  for await (const part of file.content({ signal, blockReadConcurrency: parallelBlocks })) {
    whole.set(part, at)
    at += part.length
    progress.value = at / size
  }
  return whole
}

async function namesOf(folder: Extract<UnixFSEntry, { type: 'directory' }>): Promise<string[]> {
  const names: string[] = []
  for await (const entry of folder.entries()) names.push(entry.name)
  return names
}
