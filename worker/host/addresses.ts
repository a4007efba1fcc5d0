import { CODE_P2P, type Component, multiaddr, registry } from '@multiformats/multiaddr'
import { varint } from 'multiformats'
import { equalBytes } from '../engine/bytes-map.ts'
import { limits } from '../engine/limits.ts'
import type { Address } from '../engine/peer.ts'
import { ipGroup } from './ip-groups.ts'
import { isPrivateHost } from './private-hosts.ts'

/**
 * Decides about every address that is mentioned: is it one, and can this host dial it? Called for each address of each
 * peer of each reply, mostly with bytes that were seen before. To parse one takes about 10 µs (the library turns peer
 * ids into text), to remember a verdict 1 µs.
 */

export interface AddressPolicyOptions {
  /** Loopback, private and plain `ws` addresses are dialable too. For local swarms. */
  readonly allowPrivateAddresses: boolean
  readonly transports: DialableTransports
}

/** What there is to dial with. May change: WebRTC goes when the page turns out not to hand its channels over. */
export interface DialableTransports {
  readonly webSockets: boolean
  readonly circuitRelay: boolean
  readonly webTransport: boolean
  /** Both kinds: to servers (`webrtc-direct`), and between browsers over a relay. */
  readonly webRtc: boolean
}

/**
 * Returns the address without a trailing `/p2p/<the peer itself>`, or undefined if the bytes are no multiaddr or name
 * another peer than `of`. Never throws.
 */
export type AddressPolicy = (bytes: Uint8Array, of?: Uint8Array) => Address | undefined

type Reach =
  /** Dialable at a public host. */
  | 'web-socket'
  /** Browsers refuse it from a secure page: only where private addresses are allowed. */
  | 'plain-web-socket'
  | 'web-transport'
  | 'web-rtc-direct'
  /** A list of addresses in DNS; libp2p resolves it and dials what it can. */
  | 'resolvable'
  | 'undialable'

/** Of these nothing is seen before the connection is there. */
const quietReaches: readonly Reach[] = ['web-rtc-direct', 'resolvable']

/**
 * What follows the host, without values. Not listed is not dialable: tcp, plain QUIC, and what has no certificate hash
 * where browsers need one. A new transport is a new row and, if it has a condition, a new kind of reach.
 * `tls/ws` on a bare IP address stays: certificates for IP addresses exist.
 */
const reachByStack: Readonly<Record<string, Reach>> = {
  'tcp/wss': 'web-socket',
  'tcp/tls/ws': 'web-socket',
  'tcp/tls/sni/ws': 'web-socket',
  'tcp/ws': 'plain-web-socket',
  'udp/quic-v1/webtransport/certhash': 'web-transport',
  'udp/quic-v1/webtransport/certhash/certhash': 'web-transport',
  'udp/webrtc-direct/certhash': 'web-rtc-direct',
}

const hostNames: ReadonlySet<string> = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])

export function createAddressPolicy(options: AddressPolicyOptions): AddressPolicy {
  const slots = new Array<Judged | undefined>(limits.cachedAddressesMax.value)
  let { webRtc } = options.transports
  return (bytes, of) => {
    if (webRtc !== options.transports.webRtc) {
      webRtc = options.transports.webRtc
      slots.fill(undefined)
    }
    if (bytes.length > limits.addressBytesMax.value) return undefined
    // One slot per hash, and the newer address takes it: bounded, and no bookkeeping on a hit.
    const slot = hashOf(bytes) % slots.length
    let judged = slots[slot]
    if (judged === undefined || !equalBytes(judged.bytes, bytes)) {
      judged = judge(bytes.slice(), options)
      slots[slot] = judged
    }
    const names = judged.peerId
    return of !== undefined && names !== undefined && !equalBytes(names, of) ? undefined : judged.address
  }
}

interface Judged {
  readonly bytes: Uint8Array
  readonly address: Address | undefined
  /** Of the trailing `/p2p/…` that was stripped. */
  readonly peerId: Uint8Array | undefined
}

function judge(bytes: Uint8Array, options: AddressPolicyOptions): Judged {
  const components = componentsOf(bytes)
  if (components === undefined) return { bytes, address: undefined, peerId: undefined }
  const last = components.at(-1)!
  const isNamed = last.code === CODE_P2P
  const rest = isNamed ? components.slice(0, -1) : components
  // `/p2p/<relay>` alone, or nothing at all, is no address.
  if (rest.length === 0) return { bytes, address: undefined, peerId: undefined }
  const length = rest.reduce((sum, component) => sum + component.bytes!.length, 0)
  return {
    bytes,
    address: {
      bytes: bytes.subarray(0, length),
      dialable: isDialable(rest, options),
      group: groupOf(rest),
      ...(isRelayed(rest) ? { relayed: true as const } : {}),
      ...(quietReaches.includes(reachOf(rest[0]!, rest)) ? { quiet: true as const } : {}),
    },
    peerId: isNamed ? peerIdOf(last) : undefined,
  }
}

/** Undefined for bytes that are no multiaddr: cut short, with an unknown protocol, or with a malformed value. */
function componentsOf(bytes: Uint8Array): Component[] | undefined {
  try {
    const components = multiaddr(bytes).getComponents()
    const last = components.at(-1)
    return last !== undefined && isWhole(last) ? components : undefined
  } catch {
    return undefined
  }
}

/** The library takes a last component whose value is cut short. Throws where a varint is. */
function isWhole({ code, bytes }: Component): boolean {
  const { size = 0 } = registry.getProtocol(code)
  const start = varint.encodingLength(code)
  if (size >= 0) return bytes!.length === start + size / 8
  const [length, lengthBytes] = varint.decode(bytes!, start)
  return bytes!.length === start + lengthBytes + length
}

/** After the code, which takes two bytes, and the length, which takes one: peer ids are short. */
function peerIdOf(component: Component): Uint8Array {
  return component.bytes!.subarray(3)
}

function isDialable(components: readonly Component[], options: AddressPolicyOptions): boolean {
  const circuit = components.findIndex(({ name }) => name === 'p2p-circuit')
  if (circuit === -1) return isDirectlyDialable(components, options)
  // What stands after the circuit is another transport, for which the relay only carries the first words.
  const after = components.slice(circuit + 1).map(({ name }) => name)
  const isEnd = after.length === 0 || (after.length === 1 && after[0] === 'webrtc' && options.transports.webRtc)
  // libp2p needs the relay's id.
  const relayIsNamed = components[circuit - 1]?.code === CODE_P2P
  const relay = components.slice(0, Math.max(0, circuit - 1))
  return options.transports.circuitRelay && isEnd && relayIsNamed && isDirectlyDialable(relay, options)
}

/** A relayed address says where the relay is, not the peer. */
function groupOf(components: readonly Component[]): number | undefined {
  const { name, value } = components[0]!
  const isHost = hostNames.has(name) && value !== undefined
  return isHost && !isRelayed(components) ? ipGroup(name, value) : undefined
}

function isRelayed(components: readonly Component[]): boolean {
  return components.some(({ name }) => name === 'p2p-circuit')
}

function isDirectlyDialable(components: readonly Component[], options: AddressPolicyOptions): boolean {
  const host = components[0]
  if (host === undefined) return false
  switch (reachOf(host, components)) {
    case 'web-socket':
      return options.transports.webSockets && isReachable(host, options)
    case 'plain-web-socket':
      return options.transports.webSockets && options.allowPrivateAddresses
    case 'web-transport':
      return options.transports.webTransport && isReachable(host, options)
    case 'web-rtc-direct':
      // The answer that the server would give is made up here, and needs its number.
      return options.transports.webRtc && host.name.startsWith('ip') && isReachable(host, options)
    case 'resolvable':
      return options.transports.webSockets || options.transports.webTransport
    case 'undialable':
      return false
  }
}

function isReachable(host: Component, options: AddressPolicyOptions): boolean {
  return options.allowPrivateAddresses || !isPrivateHost(host.name, host.value ?? '')
}

function reachOf(host: Component, components: readonly Component[]): Reach {
  if (host.name === 'dnsaddr' && components.length === 1) return 'resolvable'
  if (!hostNames.has(host.name)) return 'undialable'
  const stack = components
    .slice(1)
    .map(({ name }) => name)
    .join('/')
  return reachByStack[stack] ?? 'undialable'
}

/** FNV-1a over all bytes: the tails of addresses (`/tcp/443/tls/ws`) are much alike. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < bytes.length; index++) hash = Math.imul(hash ^ bytes[index]!, 0x01000193)
  return hash >>> 0
}
