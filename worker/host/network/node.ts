import { noise } from '@libp2p/noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p, PrivateKey } from '@libp2p/interface'
import { type Ping, ping } from '@libp2p/ping'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { withEarlyStreams } from './early-streams.ts'
import type { TransportFactory } from './transports.ts'

/** The libp2p node of the Worker: transports and limits. Every decision about whom to dial is the engine's. */

export interface NodeOptions {
  readonly privateKey: PrivateKey
  readonly connectionsMax: number
  readonly transports: readonly TransportFactory[]
  readonly listen: readonly string[]
  readonly announce: readonly string[]
  /** Protocols that are spoken before the peer has agreed to them. */
  readonly earlyProtocols: readonly string[]
  readonly pendingDialsMax: number
  readonly dialTimeoutMs: number
  /** Whether the peer, by its multihash bytes, is never to be connected to, in either direction. */
  readonly denied: (id: Uint8Array) => boolean
  /** libp2p also dials by itself (relays it found): the same policy on addresses holds there. */
  readonly mayDial: (address: Multiaddr) => boolean
}

/** Dials one address at once. libp2p's own queue takes one address of a peer after the other; we race transports. */
interface DirectDialer {
  /** `opened`: told when the peer has answered and what is left is the handshake of libp2p, where the transport shows it. */
  dial(address: Multiaddr, signal: AbortSignal, opened?: () => void): Promise<Connection>
}

/** The part of libp2p's components that is needed for it. */
interface DialComponents {
  readonly transportManager: {
    dial(
      address: Multiaddr,
      options: { signal: AbortSignal; onProgress(event: { readonly type: string }): void },
    ): Promise<Connection>
  }
}

/** What libp2p says next when a WebSocket is open, and when a WebTransport session is. */
const openedTypes: readonly string[] = ['upgrader:encrypt-outbound-connection', 'webtransport:open-authentication-stream']

export type Node = Libp2p<{ readonly direct: DirectDialer; readonly ping: Ping }>

export async function createNode(options: NodeOptions): Promise<Node> {
  return createLibp2p({
    start: false,
    privateKey: options.privateKey,
    addresses: {
      listen: [...options.listen],
      appendAnnounce: [...options.announce],
    },
    transports: [...options.transports],
    connectionEncrypters: [noise()],
    streamMuxers: [
      withEarlyStreams(
        options.earlyProtocols,
        yamux({
          // A stream that is paused because we are busy may still receive a whole window: it must fit the buffer.
          streamOptions: { maxStreamWindowSize: 2 * 1024 * 1024, maxReadBufferLength: 4 * 1024 * 1024 },
        }),
      ),
    ],
    services: {
      identify: identify(),
      ping: ping(),
      direct: ({ transportManager }: DialComponents): DirectDialer => ({
        dial: (address, signal, opened) => {
          const onProgress = ({ type }: { readonly type: string }) => {
            if (openedTypes.includes(type)) opened?.()
          }
          return transportManager.dial(address, { signal, onProgress })
        },
      }),
    },
    connectionManager: {
      maxConnections: options.connectionsMax,
      maxParallelDials: options.pendingDialsMax,
      dialTimeout: options.dialTimeoutMs,
      // The engine decides when to try again.
      reconnectRetries: 0,
    },
    // It pings every connection every 10 s and ends those that are late: a hidden tab's timers always are.
    connectionMonitor: { enabled: false },
    connectionGater: {
      denyDialPeer: (peer) => options.denied(peer.toMultihash().bytes),
      denyDialMultiaddr: (address) => !options.mayDial(address),
      denyInboundEncryptedConnection: (peer) => options.denied(peer.toMultihash().bytes),
      denyOutboundEncryptedConnection: (peer) => options.denied(peer.toMultihash().bytes),
    },
  })
}
