import { peerIdFromCID, peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { limits } from '../../engine/limits.ts'

/**
 * One router of the HTTP Routing V1 API (`/routing/v1`, ipfs specs, IPIP-337, IPIP-417, IPIP-484, IPIP-513): asks, and reads
 * answers as they come, within bounds. Does not know other routers, nor what was asked before.
 */

export interface RouterPeer {
  /** Multihash bytes of the peer id. */
  readonly id: Uint8Array
  /** Binary multiaddrs. */
  readonly addresses: readonly Uint8Array[]
}

/** The router failed, or refused. */
export class RouterError extends Error {
  override readonly name = 'RouterError'
  /** For how long it wants to be left alone. */
  readonly retryAfterMs: number | undefined

  constructor(message: string, retryAfterMs?: number) {
    super(message)
    this.retryAfterMs = retryAfterMs
  }
}

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

const recordTypes = 'application/x-ndjson, application/json;q=0.9'
const ipnsType = 'application/vnd.ipfs.ipns-record'

export class HttpRouter {
  readonly url: string
  readonly #fetch: Fetch
  readonly #filter: string

  /** `filterAddrs`: protocols of addresses that we can dial; the router leaves the others out, if it knows how. */
  constructor(url: string, filterAddrs: readonly string[], fetch: Fetch) {
    this.url = url.replace(/\/+$/, '')
    this.#fetch = fetch
    this.#filter = filterAddrs.length === 0 ? '' : `?filter-addrs=${encodeURIComponent(filterAddrs.join(','))}`
  }

  /** `path` after `/routing/v1/`. Throws a `RouterError`, or the signal's reason; what came before that counts. */
  async *peers(path: string, signal: AbortSignal): AsyncGenerator<RouterPeer> {
    const response = await this.#get(`${path}${this.#filter}`, recordTypes, signal)
    if (response === undefined) return
    const isList = contentType(response).startsWith('application/json')
    const records = isList ? listed(await bounded(response)) : lines(response)
    let count = 0
    for await (const record of records) {
      const peer = peerOf(record)
      if (peer !== undefined) yield peer
      if (++count >= limits.delegatedRecordsMax.value) return
    }
  }

  /** The record of a name (a libp2p-key CID), not yet validated. */
  async ipns(name: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const response = await this.#get(`ipns/${name}`, ipnsType, signal)
    // Any other type means that there is none (IPIP-513).
    if (response === undefined || !contentType(response).includes(ipnsType)) {
      await response?.body?.cancel()
      return undefined
    }
    return bounded(response, limits.recordBytesMax.value)
  }

  /** Undefined: it knows nothing. */
  async #get(path: string, accept: string, signal: AbortSignal): Promise<Response | undefined> {
    let response: Response
    try {
      // No cookies and no address of the page: neither is any of its business.
      const privately = { credentials: 'omit', referrerPolicy: 'no-referrer', redirect: 'follow' } as const
      response = await this.#fetch(`${this.url}/routing/v1/${path}`, { headers: { accept }, signal, ...privately })
    } catch (error) {
      signal.throwIfAborted()
      throw new RouterError(`The router could not be reached: ${String(error)}`)
    }
    if (response.ok) return response
    await response.body?.cancel()
    if (response.status === 404) return undefined
    throw new RouterError(`The router answered with status ${response.status}.`, retryAfter(response))
  }
}

function contentType(response: Response): string {
  return response.headers.get('content-type') ?? ''
}

/** In seconds; the form with a date is rare, and then our own pause does. */
function retryAfter(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  if (Number.isFinite(seconds) && seconds >= 0) return seconds * 1000
  return response.status === 429 ? limits.delegatedPauseMs.value : undefined
}

async function bounded(response: Response, bytesMax: number = limits.delegatedResponseBytesMax.value): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of chunks(response)) {
    length += part.length
    if (length > bytesMax) throw new RouterError(`The router sent more than ${bytesMax} bytes.`)
    parts.push(part)
  }
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}

function* listed(bytes: Uint8Array): Generator<unknown> {
  const body = parsed(new TextDecoder().decode(bytes)) as { Providers?: unknown; Peers?: unknown } | undefined
  if (body === undefined) throw new RouterError('The router sent something that is not JSON.')
  const list = body.Providers ?? body.Peers ?? []
  if (Array.isArray(list)) yield* list as unknown[]
}

/** A line that is no JSON is left out: those after it may be fine. */
async function* lines(response: Response): AsyncGenerator<unknown> {
  const decoder = new TextDecoder()
  let rest = ''
  let length = 0
  for await (const part of chunks(response)) {
    length += part.length
    if (length > limits.delegatedResponseBytesMax.value) return
    rest += decoder.decode(part, { stream: true })
    const complete = rest.split('\n')
    rest = complete.pop() ?? ''
    yield* complete.map(parsed)
  }
  yield parsed(rest + decoder.decode())
}

/** Safari has no async iteration of streams. Leaving the loop ends the download. */
async function* chunks(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader()
  if (reader === undefined) return
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value
  } finally {
    await reader.cancel().catch(() => {})
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function peerOf(record: unknown): RouterPeer | undefined {
  if (typeof record !== 'object' || record === null) return undefined
  const { ID, Addrs } = record as { ID?: unknown; Addrs?: unknown }
  if (typeof ID !== 'string') return undefined
  try {
    const texts = Array.isArray(Addrs) ? Addrs.slice(0, limits.addressesPerPeerMax.value) : []
    return { id: peerIdBytes(ID), addresses: texts.flatMap(addressBytes) }
  } catch {
    return undefined
  }
}

/** Base58, or a CID in any base. */
function peerIdBytes(text: string): Uint8Array {
  const peer = /^(1|Qm)/.test(text) ? peerIdFromString(text) : peerIdFromCID(CID.parse(text))
  return peer.toMultihash().bytes
}

function addressBytes(text: unknown): Uint8Array[] {
  try {
    return typeof text === 'string' ? [multiaddr(text).bytes] : []
  } catch {
    return []
  }
}
