import type { PeerId } from '@libp2p/interface'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { createContent, type Content } from './content.ts'
import type { Heard } from './ledger.ts'
import { findClosedPort, openDelayedLink, openRefusingHost, openSilentHost } from './link.ts'
import { type NodeWatchers, startNode, type SwarmNode, type Watch } from './node.ts'
import type { SwarmObserver } from './observer.ts'
import { checkOptions, SwarmOptionError, type SwarmOptions } from './options.ts'
import { acquaintancesOf, K, kadIdOf, nearestTo, populate, type Member, type PeerState } from './population.ts'
import { createRandom } from './random.ts'

/**
 * A small Amino on this machine: real js-libp2p peers on loopback, their tables filled and their provider records in
 * place, so that a client can walk, find and fetch as it would out there.
 */

export interface Sample {
  readonly name: string
  readonly cid: string
  /** How many peers have all of it. */
  readonly providers: number
  readonly providerIds: readonly string[]
  /** Of all its blocks, the root among them. */
  readonly blockCids: readonly string[]
  readonly kind: 'raw' | 'unixfs'
  /** Size in bytes: of the block, or of the file. */
  readonly bytes: number
}

export interface SwarmPeer {
  readonly id: string
  readonly state: PeerState
  /** As others know them, without `/p2p/…`. */
  readonly addresses: readonly string[]
  readonly relay: boolean
  readonly bitswap: boolean
}

export interface Swarm {
  /** Addresses with `/p2p/…` of some peers to begin with. */
  readonly bootstrap: readonly string[]
  /** Addresses of the peers that lend theirs by circuit relay. */
  readonly relays: readonly string[]
  readonly samples: readonly Sample[]
  readonly peers: readonly SwarmPeer[]
  /** Puts provider records where a provide would have left them: on the k nearest that are there. */
  publish(cid: CID, provider: PeerId, addresses: readonly Multiaddr[]): Promise<void>
  /** What each running server has heard of a peer, by the peer's id. */
  heardOf(peer: string): readonly Heard[]
  /** How often each of the servers nearest to a content, nearest first, has heard from a peer that it provides it. */
  timesAtNearest(peer: string, multihash: Uint8Array): readonly number[]
  stop(): Promise<void>
}

interface Neighbour {
  readonly member: Member
  readonly addresses: readonly string[]
}

const HOST = '127.0.0.1'
const BOOTSTRAPPERS = 4
const STARTS_AT_ONCE = 4

/** What a bench adds. */
export interface SwarmExtras {
  readonly contents?: readonly Content[]
  readonly watch?: Watch
}

/** Rejects with a `SwarmOptionError` when an option makes no sense or a port is taken. */
export async function startSwarm(
  given: Partial<SwarmOptions> = {},
  observer?: SwarmObserver,
  extras: SwarmExtras = {},
): Promise<Swarm> {
  const options = { ...checkOptions(given), observer, watch: extras.watch }
  const [members, usual] = await Promise.all([populate(options), createContent(options.seed)])
  const contents = [...usual, ...(extras.contents ?? [])]
  const holders = assignContent(contents, members, options.seed)
  const closers: (() => Promise<void>)[] = []
  try {
    return await assemble(options, members, contents, holders, closers)
  } catch (error) {
    await closeAll(closers)
    throw explain(error, options)
  }
}

type Observed = SwarmOptions & NodeWatchers

async function assemble(
  options: Observed,
  members: readonly Member[],
  contents: readonly Content[],
  holders: ReadonlyMap<Content, readonly Member[]>,
  closers: (() => Promise<void>)[],
): Promise<Swarm> {
  const nodes = new Map<Member, SwarmNode>()
  const neighbours = new Map<Member, Neighbour>()
  await inBatches(members, STARTS_AT_ONCE, async (member) => {
    const blocks = contents.filter((content) => holders.get(content)?.includes(member)).flatMap((content) => content.blocks)
    const addresses = await open(member, options, blocks, nodes, closers)
    neighbours.set(member, { member, addresses })
  })
  for (const node of nodes.values()) {
    const known = acquaintancesOf(node.member, members, createRandom(`${options.seed}/table/${node.member.index}`))
    await node.learn(known.map((member) => ({ id: member.id, addresses: parsed(neighbours.get(member)) })))
  }
  for (const content of contents) {
    for (const holder of holders.get(content) ?? []) {
      const addresses = parsed(neighbours.get(holder))
      const announced = content.announced === 'root' ? [{ cid: content.root }] : content.blocks
      for (const { cid } of announced) await publish(cid, holder.id, addresses)
    }
  }
  async function publish(cid: CID, provider: PeerId, addresses: readonly Multiaddr[]): Promise<void> {
    for (const member of nearestTo(kadIdOf(cid.multihash.bytes), members, K)) {
      await nodes.get(member)?.holdRecord(cid, provider, [...addresses])
    }
  }

  const reachable = members.filter((member) => member.state === 'running')
  const withIds = (chosen: readonly Member[]) => chosen.flatMap((member) => fullAddresses(neighbours.get(member) as Neighbour))
  return {
    bootstrap: withIds(reachable.slice(0, BOOTSTRAPPERS)),
    relays: withIds(reachable.filter((member) => member.relay)),
    samples: contents.map((content) => sampleOf(content, holders.get(content) ?? [])),
    peers: members.map((member) => ({
      id: member.id.toString(),
      state: member.state,
      addresses: (neighbours.get(member) as Neighbour).addresses,
      relay: member.relay,
      bitswap: member.bitswap,
    })),
    publish,
    heardOf: (peer) => [...nodes.values()].map(({ ledger }) => ledger.heardOf(peer)),
    timesAtNearest: (peer, multihash) =>
      nearestTo(kadIdOf(multihash), members, K).map((member) => nodes.get(member)?.ledger.timesOf(peer, multihash) ?? 0),
    stop: () => closeAll(closers),
  }
}

/** Brings a member to life, or not, and tells the addresses by which others know it. */
async function open(
  member: Member,
  options: Observed,
  blocks: Content['blocks'],
  nodes: Map<Member, SwarmNode>,
  closers: (() => Promise<void>)[],
): Promise<string[]> {
  const port = options.port === 0 ? 0 : options.port + member.index
  switch (member.state) {
    case 'undialable': {
      // Nobody here listens on these: to a browser that makes no difference, it has no such transport.
      const announced = port === 0 ? 4001 + member.index : port
      return [`/ip4/${HOST}/tcp/${announced}`, `/ip4/${HOST}/udp/${announced}/quic-v1`]
    }
    case 'refusing':
      return [`/ip4/${HOST}/tcp/${await refusingPort(port, options.observer, closers)}/ws`]
    case 'silent': {
      const host = await openSilentHost(port, options.observer?.dialed)
      closers.push(() => host.stop())
      return [`/ip4/${HOST}/tcp/${host.port}/ws`]
    }
    case 'running': {
      const node = await startMember(member, options, port, blocks, closers)
      nodes.set(member, node)
      return node.addresses()
    }
    default:
      return member.state satisfies never
  }
}

async function refusingPort(
  port: number,
  observer: SwarmObserver | undefined,
  closers: (() => Promise<void>)[],
): Promise<number> {
  if (observer === undefined) return port === 0 ? findClosedPort() : port
  const host = await openRefusingHost(port, observer.dialed)
  closers.push(() => host.stop())
  return host.port
}

async function startMember(
  member: Member,
  options: Observed,
  port: number,
  blocks: Content['blocks'],
  closers: (() => Promise<void>)[],
): Promise<SwarmNode> {
  if (options.latencyMs === 0) {
    const node = await startNode(member, `/ip4/${HOST}/tcp/${port}/ws`, [], blocks, options)
    closers.push(() => node.stop())
    return node
  }
  // The peer has to know its announced port before it listens, and the link its target: so the link learns it late.
  const random = createRandom(`${options.seed}/link/${member.index}`)
  const delayMs = options.latencyMs * (1 + options.spread * (2 * random.next() - 1))
  let target = 0
  const link = await openDelayedLink(port, () => target, delayMs, random, options.observer?.dialed)
  closers.push(() => link.stop())
  const node = await startNode(member, `/ip4/${HOST}/tcp/0/ws`, [`/ip4/${HOST}/tcp/${link.port}/ws`], blocks, options)
  closers.push(() => node.stop())
  target = node.listeningPort()
  return node
}

/** Deals the contents out in turn, so that every peer that serves blocks has some. */
function assignContent(contents: readonly Content[], members: readonly Member[], seed: string): Map<Content, Member[]> {
  const servers = createRandom(`${seed}/holders`).shuffled(members.filter((member) => member.bitswap))
  const holders = new Map<Content, Member[]>()
  let dealt = 0
  for (const content of contents) {
    const copies = Math.min(content.copies, servers.length)
    holders.set(
      content,
      Array.from({ length: copies }, (_, copy) => servers[(dealt + copy) % servers.length] as Member),
    )
    dealt += copies
  }
  return holders
}

function sampleOf(content: Content, holders: readonly Member[]): Sample {
  return {
    name: content.name,
    cid: content.root.toString(),
    providers: holders.length,
    providerIds: holders.map((holder) => holder.id.toString()),
    blockCids: content.blocks.map((block) => block.cid.toString()),
    kind: content.kind,
    bytes: content.size,
  }
}

function parsed(neighbour: Neighbour | undefined) {
  return (neighbour?.addresses ?? []).map((address) => multiaddr(address))
}

function fullAddresses({ member, addresses }: Neighbour): string[] {
  return addresses.map((address) => `${address}/p2p/${member.id.toString()}`)
}

async function inBatches<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += width) {
    const settled = await Promise.allSettled(items.slice(start, start + width).map(work))
    for (const result of settled) {
      if (result.status === 'rejected') throw result.reason
    }
  }
}

async function closeAll(closers: (() => Promise<void>)[]): Promise<void> {
  await Promise.allSettled(closers.splice(0).map((close) => close()))
}

function explain(error: unknown, options: SwarmOptions): unknown {
  const text = error instanceof Error ? `${error.name} ${error.message} ${String((error as NodeJS.ErrnoException).code)}` : ''
  if (!/EADDRINUSE|UnsupportedListenAddress/.test(text) || options.port === 0) return error
  const last = options.port + options.peers - 1
  return new SwarmOptionError(`A port from ${options.port} to ${last} is taken: choose another --port, or 0 for any free ones.`)
}
