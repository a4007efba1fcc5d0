import type { Connection, IdentifyResult, PeerId, Stream } from '@libp2p/interface'
import { peerIdFromMultihash } from '@libp2p/peer-id'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import * as Digest from 'multiformats/hashes/digest'
import type { StatusData } from '../../contract/service.ts'
import { BytesMap } from '../../engine/bytes-map.ts'
import type { BitswapMessage } from '../../engine/bitswap/message.ts'
import type { EngineEffect, EngineEvent } from '../../engine/contract.ts'
import type { KadRequest } from '../../engine/kad/message.ts'
import { limits } from '../../engine/limits.ts'
import type { OrderId } from '../../engine/machine.ts'
import type { Address, Peer, PeerCache, PeerIdBytes, PeerInfo } from '../../engine/peer.ts'
import { bitswapProtocols, bitswapVersion, decodeBitswapMessage, encodeBitswapMessage } from '../../wire/bitswap.ts'
import { decodeKadResponse, encodeKadRequest } from '../../wire/kad.ts'
import type { AddressPolicy } from '../addresses.ts'
import { hashBlocks } from '../block-hash.ts'
import { BitswapChannels } from './bitswap-channels.ts'
import { endDeadConnections } from './connection-probe.ts'
import { Dialer, dialFailure, isRelayed } from './dialer.ts'
import { HeldPeers } from './held-peers.ts'
import { KadChannels } from './kad-channels.ts'
import { KadServer } from './kad-server.ts'
import { Lifecycle, platformSigns } from './lifecycle.ts'
import type { Node } from './node.ts'
import { ReadyStreams } from './ready-streams.ts'
import { Silence } from './silence.ts'
import { endStream } from './stream-end.ts'
import { FrameBudget, type FrameEnd, readFrames } from './stream-frames.ts'
import { transportStatus, type Transports } from './transports.ts'

/** Effects of the engine that the network performs. */
export type NetworkEffect = Extract<
  EngineEffect,
  { type: 'dial' | 'cancel-dial' | 'send-request' | 'cancel-request' | 'send-response' | 'refuse-request' | 'send-message' }
>

export interface NetworkInit {
  readonly node: Node
  readonly transports: Transports
  readonly peers: PeerCache
  readonly protocols: { readonly kad: string; readonly bitswap: string }
  readonly addressPolicy: AddressPolicy
  /** Whether the kad protocol is offered to others. */
  readonly server: boolean
  readonly dispatch: (event: EngineEvent) => void
  readonly now: () => number
  /** How many wants of the page are open: without any, incoming blocks are not even hashed. */
  readonly openWants: () => number
  readonly onConnectionsChanged: (connections: number) => void
  readonly onAddressesChanged: (addresses: readonly Uint8Array[]) => void
}

/**
 * Performs the engine's network orders with libp2p and reports what happens as events. It decides nothing: it turns
 * ids and addresses into libp2p's, bytes into checked values, and errors into reasons.
 */
export class Network {
  readonly #init: NetworkInit
  readonly #dials = new Map<OrderId, AbortController>()
  readonly #kad: KadChannels
  readonly #server: KadServer
  readonly #bitswap: BitswapChannels
  readonly #bitswapProtocols: readonly string[]
  readonly #dialer: Dialer
  readonly #held: HeldPeers
  readonly #silence: Silence
  readonly #ready = new ReadyStreams()
  #lifecycle: Lifecycle | undefined
  readonly #dropped: Record<string, number> = {}
  readonly #frameBudgets = new BytesMap<FrameBudget>()
  #addresses: readonly Uint8Array[] = []

  constructor(init: NetworkInit) {
    this.#init = init
    this.#bitswapProtocols = bitswapProtocols(init.protocols.bitswap)
    this.#held = new HeldPeers(init.dispatch)
    this.#dialer = new Dialer(init.node, (transport) => init.transports.availability(transport).available)
    const open =
      (protocols: readonly string[], runOnLimitedConnection: boolean) =>
      (peer: Peer, signal: AbortSignal): Promise<Stream> =>
        openStream(init.node, peer, protocols, runOnLimitedConnection, signal)
    this.#kad = new KadChannels({
      // Servers among browsers reach each other through relays, if at all.
      open: open([init.protocols.kad], init.server),
      now: init.now,
      listener: {
        answered: (order, frame) => this.#kadAnswered(order, frame),
        noticeSent: (order) => init.dispatch({ type: 'notice-sent', order }),
        failed: (order, reason) => init.dispatch({ type: 'request-failed', order, reason }),
        lateFrame: () => this.#drop('kad-late'),
        badFrame: (reason) => this.#drop(`kad-${reason}`),
        unexpectedFrame: () => this.#drop('kad-unexpected'),
      },
    })
    this.#server = new KadServer({
      readAddress: init.addressPolicy,
      dispatch: init.dispatch,
      drop: (reason) => this.#drop(reason),
    })
    this.#silence = new Silence({
      now: init.now,
      after: platformSigns().after,
      isAwaited: () => init.openWants() > 0,
      onSilent: (peers) => void this.#endDead(peers.flatMap((id) => init.node.getConnections(toPeerId(id)))),
    })
    this.#bitswap = new BitswapChannels({
      open: (peer, signal, version) =>
        open(this.#bitswapProtocols.slice(0, version === 'newest' ? 1 : undefined), true)(peer, signal),
      now: init.now,
      listener: {
        sent: (order) => init.dispatch({ type: 'message-sent', order }),
        failed: (order, reason) => init.dispatch({ type: 'message-failed', order, reason }),
      },
    })
  }

  async start(): Promise<void> {
    const { node, protocols, server } = this.#init
    if (server) {
      await node.handle(protocols.kad, (stream, { remotePeer }) => this.#server.serve(stream, this.#peer(remotePeer)), {
        maxInboundStreams: limits.kadInboundStreamsMax.value,
        runOnLimitedConnection: true,
      })
    }
    await node.handle([...this.#bitswapProtocols], (stream, connection) => this.#readBitswap(stream, connection), {
      maxInboundStreams: limits.bitswapInboundStreamsMax.value,
      runOnLimitedConnection: true,
    })
    node.addEventListener('peer:connect', (event) => this.#peerConnected(event.detail))
    node.addEventListener('peer:disconnect', (event) => this.#peerDisconnected(event.detail))
    node.addEventListener('peer:identify', (event) => this.#peerIdentified(event.detail))
    node.addEventListener('self:peer:update', () => this.#ownAddressesMayHaveChanged())
    await node.start()
    this.#lifecycle = new Lifecycle({ ...platformSigns(), onRevived: () => this.#revived() })
    this.#ownAddressesMayHaveChanged()
  }

  async stop(): Promise<void> {
    for (const controller of this.#dials.values()) controller.abort(new Error('stopped'))
    this.#lifecycle?.stop()
    this.#silence.stop()
    this.#kad.closeAll()
    this.#bitswap.closeAll()
    await this.#init.node.stop()
    this.#init.transports.close()
  }

  perform(effect: NetworkEffect): void {
    switch (effect.type) {
      case 'dial':
        void this.#dial(effect.order, effect.info)
        break
      case 'cancel-dial':
        this.#dials.get(effect.order)?.abort(new Error('cancelled'))
        this.#dials.delete(effect.order)
        break
      case 'send-request':
        this.#sendRequest(effect.order, effect.peer, effect.request)
        break
      case 'cancel-request':
        this.#kad.cancel(effect.order)
        break
      case 'send-response':
        this.#server.respond(effect.exchange, effect.response)
        break
      case 'refuse-request':
        this.#server.refuse(effect.exchange)
        break
      case 'send-message':
        this.#sendMessage(effect.order, effect.peer, effect.message)
        break
    }
  }

  connections(): number {
    return this.#init.node.getPeers().length
  }

  /** What there is to reach peers with, and how many connections go over each. */
  transports(): StatusData['transports'] {
    return transportStatus(this.#init.transports, this.#init.node.getConnections())
  }

  /** Our own dialable addresses, as binary multiaddrs. */
  addresses(): readonly Uint8Array[] {
    return this.#addresses
  }

  /** Messages of peers that were dropped, by reason; `…-parts`: what was left out of messages that were heard. */
  dropped(): Readonly<Record<string, number>> {
    return { ...this.#dropped }
  }

  async #dial(order: OrderId, info: PeerInfo): Promise<void> {
    const controller = new AbortController()
    this.#dials.set(order, controller)
    let outcome: EngineEvent
    try {
      const id = toPeerId(info.peer.id)
      const targets = info.addresses
        .filter((address) => address.dialable)
        .map(({ bytes }) => multiaddr(bytes).encapsulate(`/p2p/${id.toString()}`))
      const opened = () => this.#dials.has(order) && this.#init.dispatch({ type: 'dial-opened', order })
      await this.#dialer.dial(id, targets, controller.signal, opened)
      outcome = { type: 'dial-succeeded', order }
    } catch (error) {
      outcome = { type: 'dial-failed', order, reason: dialFailure(error) }
    }
    // Connected by now, by whatever way: the engine hears of that first.
    this.#held.release(info.peer.id)
    // A dial that was cancelled is answered by nobody's leave.
    if (this.#dials.delete(order)) this.#init.dispatch(outcome)
  }

  #sendRequest(order: OrderId, peer: Peer, request: KadRequest): void {
    this.#kad.send(order, peer, encodeKadRequest(request), request.type !== 'add-provider')
  }

  #kadAnswered(order: OrderId, frame: Uint8Array): void {
    const decoded = decodeKadResponse(frame, this.#init.addressPolicy)
    if (decoded.ok) {
      if (decoded.dropped > 0) this.#drop('kad-parts', decoded.dropped)
      this.#init.dispatch({ type: 'response-received', order, response: decoded.message })
    } else {
      this.#drop(`kad-${decoded.reason}`)
      this.#init.dispatch({ type: 'request-failed', order, reason: decoded.reason === 'oversized' ? 'oversized' : 'malformed' })
    }
  }

  #sendMessage(order: OrderId, peer: Peer, message: BitswapMessage): void {
    const owesAnswer = message.wantlist.some((want) => !want.cancel && (want.wantType === 'block' || want.sendDontHave))
    if (owesAnswer) this.#silence.asked(peer.id)
    const blocks = message.wantlist.filter((want) => !want.cancel && want.wantType === 'block').length
    this.#ready.asked(peer.id, blocks, this.#init.openWants())
    this.#bitswap.send(order, peer, (protocol) => encodeBitswapMessage(message, bitswapVersion(protocol, this.#bitswapProtocols)))
  }

  #readBitswap(stream: Stream, { remotePeer, streams }: Connection): void {
    const peer = this.#peer(remotePeer)
    if (streams.length <= limits.wideStreamsMax.value) openWide(stream)
    const budget = this.#frameBudgets.get(peer.id) ?? new FrameBudget(limits.unfinishedFrameBytesMax.value)
    this.#frameBudgets.set(peer.id, budget)
    const onEnd = (end: FrameEnd): void => {
      if (end.type === 'bad-frame') this.#drop(`bitswap-${end.reason}`)
      else endStream(stream)
    }
    const onFrame = (frame: Uint8Array): Promise<void> => this.#bitswapReceived(stream, peer, frame)
    let told = 0
    const onPart = (filledBytes: number): void => {
      if (filledBytes < told) told = 0
      if (filledBytes - told < limits.arrivingStepBytes.value) return
      told = filledBytes
      this.#init.dispatch({ type: 'message-arriving', peer })
    }
    readFrames(stream, limits.frameBytesMax.value, { onFrame, onPart, onEnd }, budget)
  }

  async #bitswapReceived(stream: Stream, peer: Peer, frame: Uint8Array): Promise<void> {
    this.#silence.heard(peer.id)
    const decoded = decodeBitswapMessage(frame)
    if (!decoded.ok) {
      this.#drop(`bitswap-${decoded.reason}`)
      stream.abort(new Error(`message refused: ${decoded.reason}`))
      return
    }
    if (decoded.dropped > 0) this.#drop('bitswap-parts', decoded.dropped)
    const { blocks: payloads, ...rest } = decoded.message
    if (payloads.length > 0 && this.#init.openWants() === 0) this.#drop('bitswap-unasked-block', payloads.length)
    const hashed = this.#init.openWants() > 0 ? await hashBlocks(payloads) : { blocks: [], unsupported: 0 }
    // While the blocks were hashed the peer may have gone: the engine has been told, and must not meet it again.
    if (stream.status !== 'open' && this.#init.node.getConnections(toPeerId(peer.id)).length === 0) return
    if (hashed.unsupported > 0) this.#drop('bitswap-unsupported-hash', hashed.unsupported)
    this.#held.tell(peer.id, { type: 'message-received', peer, message: { ...rest, blocks: hashed.blocks } })
  }

  #peerConnected(id: PeerId): void {
    const peer = this.#peer(id)
    const connections = this.#init.node.getConnections(id)
    if (connections.every(isRelayed) && this.#dialer.isAgreeingOnWebRtc(peer.id)) this.#held.hold(peer.id)
    this.#held.tell(peer.id, { type: 'peer-connected', peer })
    this.#init.onConnectionsChanged(this.connections())
  }

  #peerDisconnected(id: PeerId): void {
    const peer = this.#peer(id)
    this.#kad.closePeer(peer)
    this.#bitswap.closePeer(peer)
    this.#frameBudgets.delete(peer.id)
    this.#silence.gone(peer.id)
    this.#ready.gone(peer.id)
    if (!this.#held.drop(peer.id)) this.#init.dispatch({ type: 'peer-disconnected', peer })
    this.#init.onConnectionsChanged(this.connections())
  }

  #peerIdentified(result: IdentifyResult): void {
    const { protocols } = this.#init
    const peer = this.#peer(result.peerId)
    this.#ready.identified(peer.id, result)
    const dispatch = (event: EngineEvent): void => this.#held.tell(peer.id, event)
    const judged = identifiedAddresses(result).map((address) => this.#init.addressPolicy(address.bytes, peer.id))
    const known = judged.filter((address): address is Address => address !== undefined)
    const addresses = known.slice(0, limits.addressesPerPeerMax.value)
    const spoken = this.#bitswapProtocols.find((protocol) => result.protocols.includes(protocol))
    if (spoken !== undefined) {
      const hasPresences = bitswapVersion(spoken, this.#bitswapProtocols) === '1.2'
      dispatch({ type: 'bitswap-peer-connected', peer, addresses, hasPresences })
    }
    if (result.protocols.includes(protocols.kad)) {
      dispatch({ type: 'dht-server-seen', info: { peer, addresses } })
    } else {
      dispatch({ type: 'dht-server-gone', peer })
    }
  }

  /** Another network, or awake again: what failed may work, and what looks open may be dead. */
  #revived(): void {
    const { node, dispatch } = this.#init
    this.#dialer.networkChanged()
    void this.#endDead(node.getConnections()).then(() => dispatch({ type: 'network-changed' }))
  }

  #endDead(connections: readonly Connection[]): Promise<void> {
    const { ping } = this.#init.node.services
    return endDeadConnections(connections, (connection, signal) => ping.ping(connection.remotePeer, { signal }))
  }

  #ownAddressesMayHaveChanged(): void {
    const { node, dispatch, onAddressesChanged, addressPolicy } = this.#init
    const addresses = node
      .getMultiaddrs()
      .map((address) => addressPolicy(address.bytes))
      .filter((address): address is Address => address !== undefined)
    const bytes = addresses.map((address) => address.bytes)
    if (sameList(bytes, this.#addresses)) return
    this.#addresses = bytes
    dispatch({ type: 'own-addresses-changed', addresses })
    onAddressesChanged(bytes)
  }

  #peer(id: PeerId): Peer {
    return this.#init.peers.intern(id.toMultihash().bytes as PeerIdBytes)
  }

  #drop(reason: string, count = 1): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + count
  }
}

/** Helia opens a stream for each message: of yamux's 256 KiB a block and its envelope would wait for more. The class has these fields. */
function openWide(stream: Stream): void {
  const wide = stream as { recvWindow?: number; maxStreamWindowSize?: number; sendWindowUpdate?(): void }
  if (wide.recvWindow === undefined || wide.maxStreamWindowSize === undefined) return
  wide.recvWindow = wide.maxStreamWindowSize
  if (stream.status === 'open') wide.sendWindowUpdate?.()
}

async function openStream(
  node: Node,
  peer: Peer,
  protocols: readonly string[],
  runOnLimitedConnection: boolean,
  signal: AbortSignal,
): Promise<Stream> {
  const connection = bestConnection(node.getConnections(toPeerId(peer.id)), runOnLimitedConnection)
  if (connection === undefined) throw Object.assign(new Error('not connected'), { name: 'NotConnectedError' })
  return connection.newStream([...protocols], { signal, runOnLimitedConnection })
}

/** A direct connection where there is one; a relayed one only for what may run over it. */
function bestConnection(connections: readonly Connection[], limitedAllowed: boolean): Connection | undefined {
  const open = connections.filter((connection) => connection.status === 'open')
  const unlimited = open.filter((connection) => connection.limits === undefined)
  return unlimited.find((connection) => !isRelayed(connection)) ?? unlimited[0] ?? (limitedAllowed ? open[0] : undefined)
}

function toPeerId(id: Uint8Array): PeerId {
  return peerIdFromMultihash(Digest.decode(id) as Parameters<typeof peerIdFromMultihash>[0])
}

function identifiedAddresses(result: IdentifyResult): Multiaddr[] {
  return result.signedPeerRecord?.addresses ?? result.listenAddrs
}

function sameList(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return (
    a.length === b.length &&
    a.every((bytes, index) => bytes.every((byte, at) => byte === b[index]![at]) && bytes.length === b[index]!.length)
  )
}
