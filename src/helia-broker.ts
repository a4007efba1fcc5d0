import type { BlockBroker, BlockRetrievalOptions, CreateSessionOptions, SessionBlockBroker } from 'helia'
import type { CID } from 'multiformats/cid'
import { givenPeer, type GivenPeer, peerCid } from './foreign.ts'
import { PeerAddresses } from './helia-addresses.ts'
import type { AnnouncedBlocks } from './helia-announcements.ts'
import { AminoError } from './index.ts'
import { Turns } from './turns.ts'
import type { AminoClient, Progress, Session } from './types.ts'

/** Wants at once; the client refuses more than its `operationsMax`, and a DAG asks for all children of a node together. */
const wantsMax = 128
/** Each brings a peer into a want under way, and takes a place beside the want's own until that ends; others wait. */
const joinsMax = 96
/** Helia does not say when a session is over: one without wants for so long is closed, and opened again when needed. */
const idleMs = 30_000
/** Given to a session; later ones are left out. */
const sessionPeersMax = 64
/** Helia's own default. */
const blockBytesMax = 2_097_152

type Peers = NonNullable<BlockRetrievalOptions['providers']>
/** Brings a peer into a want under way; never rejects. */
type Join = (peer: GivenPeer) => Promise<void>

/** The client as Helia's `BlockBroker`. Docs: `aminoBlockBroker`. */
export class HeliaBlockBroker implements BlockBroker {
  readonly name = 'amino'
  readonly #announced: AnnouncedBlocks
  readonly #fetcher: Fetcher
  readonly #sessions = new Set<HeliaSession>()

  constructor(running: () => AminoClient, announced: AnnouncedBlocks) {
    this.#announced = announced
    this.#fetcher = new Fetcher(running, this.name)
  }

  /** Comes twice from Helia, and again after `stop`. */
  start(): void {
    this.#announced.start()
  }

  /** The client is not this broker's to stop. */
  async stop(): Promise<void> {
    this.#announced.stop()
    this.#fetcher.stop()
    await Promise.all([...this.#sessions].map((session) => session.close()))
  }

  retrieve(cid: CID, options: BlockRetrievalOptions = {}): Promise<Uint8Array> {
    return this.#fetcher.retrieve(cid, options, () => [], undefined)
  }

  async announce(cid: CID): Promise<void> {
    this.#announced.add(cid)
  }

  createSession(options: CreateSessionOptions = {}): SessionBlockBroker {
    const session: HeliaSession = new HeliaSession(this.#fetcher, this.#announced, options, {
      opened: () => this.#sessions.add(session),
      closed: () => this.#sessions.delete(session),
    })
    return session
  }
}

/** Fetches blocks as Helia wants them fetched: in turn, checked, with its progress events. */
class Fetcher {
  readonly running: () => AminoClient
  readonly #broker: string
  readonly #addresses: PeerAddresses
  readonly #turns = new Turns(wantsMax)
  readonly #joins = new Turns(joinsMax)

  constructor(running: () => AminoClient, broker: string) {
    this.running = running
    this.#broker = broker
    this.#addresses = new PeerAddresses(running)
  }

  stop(): void {
    this.#addresses.stop()
  }

  /**
   * `peers`: read when the want's turn comes; those that become known later join it. `joinable`: told then how to bring
   * them in while it lasts.
   */
  async retrieve(
    cid: CID,
    options: BlockRetrievalOptions,
    peers: () => Iterable<GivenPeer>,
    session: Session | undefined,
    joinable?: (join: Join) => void,
  ): Promise<Uint8Array> {
    const { signal, validateFn, maxSize = blockBytesMax } = options
    const ended = new AbortController()
    const client = this.running()
    const join: Join = async (peer) => {
      try {
        const found = await this.#addresses.find(peer, ended.signal)
        if (found === undefined) return
        const { signal } = ended
        await this.#joins.run(signal, () => client.getBlock(cid, { providers: [found], session, signal }))
      } catch {
        // The want goes on without that peer.
      }
    }
    try {
      return await this.#turns.run(signal, async () => {
        const given = [...peers(), ...(options.providers ?? []).flatMap((peer) => givenPeer(peer) ?? [])]
        const all = given.map((peer) => this.#addresses.known(peer))
        const onProgress = this.#progressOf(cid, options)
        const wanted = client.getBlock(cid, { providers: all, session, signal, onProgress })
        joinable?.(join)
        // A peer given by its id alone may be neither connected nor known.
        for (const peer of all) if (peer.multiaddrs.length === 0) void join(peer)
        const { bytes, from } = await wanted
        requireSize(cid, bytes, maxSize)
        await validateFn?.(bytes)
        if (from !== undefined) this.#emit(options, cid, 'receive-block', from)
        return bytes
      })
    } finally {
      ended.abort()
    }
  }

  /** Left out: `connected`, which needs the address, and the client does not tell it. */
  #progressOf(cid: CID, options: BlockRetrievalOptions): ((progress: Progress) => void) | undefined {
    if (options.onProgress === undefined) return undefined
    return (progress) => {
      if (progress.type === 'dialing') this.#emit(options, cid, 'connect', progress.peer)
      else if (progress.type === 'asking') this.#emit(options, cid, 'request-block', progress.peer)
    }
  }

  #emit(options: BlockRetrievalOptions, cid: CID, type: 'connect' | 'request-block' | 'receive-block', peer: string): void {
    if (options.onProgress === undefined) return
    const detail = { broker: this.#broker, type, provider: peerCid(peer), cid }
    options.onProgress(new CustomEvent(`helia:block-broker:${type}`, { detail }))
  }
}

interface SessionLife {
  opened(): void
  closed(): void
}

/** Wants of one DAG. The Worker's session behind it is open while it is used. */
class HeliaSession implements SessionBlockBroker {
  readonly name = 'amino-session'
  readonly #fetcher: Fetcher
  readonly #announced: AnnouncedBlocks
  readonly #life: SessionLife
  readonly #peers = new Map<string, GivenPeer>()
  readonly #joins = new Set<Join>()
  #wants = 0
  #session: Promise<Session | undefined> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(fetcher: Fetcher, announced: AnnouncedBlocks, options: CreateSessionOptions, life: SessionLife) {
    this.#fetcher = fetcher
    this.#announced = announced
    this.#life = life
    for (const peer of options.providers ?? []) this.#remember(peer)
  }

  async retrieve(cid: CID, options: BlockRetrievalOptions = {}): Promise<Uint8Array> {
    let joined: Join | undefined
    const joinable = (join: Join): void => {
      joined = join
      this.#joins.add(join)
    }
    this.#wants++
    clearTimeout(this.#timer)
    try {
      return await this.#fetcher.retrieve(cid, options, () => this.#peers.values(), await this.#open(), joinable)
    } finally {
      if (joined !== undefined) this.#joins.delete(joined)
      if (--this.#wants === 0) this.#timer = setTimeout(() => void this.close(), idleMs)
    }
  }

  async announce(cid: CID): Promise<void> {
    this.#announced.add(cid)
  }

  /** The peer is asked for what is wanted now and later. One whose id is not known cannot be dialed, and is left out. */
  async addPeer(peer: Peers[number]): Promise<void> {
    const added = this.#remember(peer)
    if (added === undefined) return
    // Joins are wants of the same block in the same session: one search, whoever answers.
    for (const join of this.#joins) void join(added)
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    const session = this.#session
    this.#session = undefined
    this.#life.closed()
    await (await session)?.close()
  }

  #remember(peer: Peers[number]): GivenPeer | undefined {
    const given = givenPeer(peer)
    if (given === undefined || this.#peers.size >= sessionPeersMax) return undefined
    // Named again by its id alone, it keeps its addresses.
    if (given.multiaddrs.length > 0 || !this.#peers.has(given.id)) this.#peers.set(given.id, given)
    return given
  }

  /** Without a session where no more can be opened: slower, but not in vain. */
  #open(): Promise<Session | undefined> {
    if (this.#session === undefined) {
      this.#life.opened()
      this.#session = this.#fetcher
        .running()
        .createSession()
        .catch(() => undefined)
    }
    return this.#session
  }
}

function requireSize(cid: CID, bytes: Uint8Array, maxSize: number): void {
  if (bytes.length <= maxSize) return
  const message = `The block ${cid.toString()} has ${bytes.length} bytes, more than the ${maxSize} that maxSize allows.`
  throw new AminoError('too-large', message, { bytes: bytes.length, maxSize })
}
