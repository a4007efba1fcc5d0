import type { StartOptions } from '../worker/contract/service.ts'
import { checkedInteger, checkedList, peerIdBytes, require, requireSignal } from './arguments.ts'
import type { AminoClientOptions, ClientLimits } from './types.ts'

/**
 * Where Amino is entered if nothing else is said: the default list of Kubo and Helia, without the one address that is
 * plain TCP. A browser resolves `/dnsaddr` by DNS over HTTPS and finds their WebSocket and WebTransport addresses.
 */
export const aminoBootstrappers: readonly string[] = [
  '/dnsaddr/bootstrap.libp2p.io/p2p/QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN',
  '/dnsaddr/bootstrap.libp2p.io/p2p/QmbLHAnMoJPWSCR5Zhtx6BHJX9KiKNN6tpvbUcqanj75Nb',
  '/dnsaddr/bootstrap.libp2p.io/p2p/QmcZf59bWwK5XFi76CZX8cbJ4BhTzzA3gU1ZjYZcYW3dwt',
  '/dnsaddr/va1.bootstrap.libp2p.io/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8',
]

const defaultLimits: ClientLimits = {
  operationsMax: 256,
  connectionsMax: 100,
  blockStoreBytesMax: 256 * 1024 * 1024,
}

/** The options with their defaults, checked, but for those that the Worker checks. Throws `invalid-argument`. */
export function startOptions(options: AminoClientOptions): StartOptions {
  const { storage = 'amino-worker', identity = 'fresh', limits = {} } = options
  requireSignal(options.signal)
  require(typeof limits === 'object' && limits !== null, 'limits must be an object.')
  require(storage === false || (typeof storage === 'string' && storage !== ''), 'storage must be a name, or false for memory.')
  require(identity === 'fresh' || identity === 'kept', "identity must be 'fresh' or 'kept'.")
  require(identity === 'fresh' || storage !== false, "identity 'kept' needs a storage name.")
  return {
    bootstrap: multiaddrs('bootstrap', options.bootstrap ?? aminoBootstrappers, '/p2p/'),
    storage: storage === false ? undefined : storage,
    identity,
    allowPrivateAddresses: options.allowPrivateAddresses === true,
    protocols: {
      kad: protocol('kad', options.protocols?.kad ?? '/ipfs/kad/1.0.0'),
      bitswap: protocol('bitswap', options.protocols?.bitswap ?? '/ipfs/bitswap/1.2.0'),
    },
    announce: multiaddrs('announce', options.announce ?? [], '/'),
    relay: options.relay !== false,
    server: options.server === true,
    transports: transports(options.transports ?? {}),
    iceServers: iceServers(options),
    denyPeers: checkedList('denyPeers', options.denyPeers ?? []).map((id) => peerIdBytes(id, 'invalid-argument')),
    discovery: { ...options.discovery, listenToWants: options.listenToWants !== false },
    delegated: options.delegatedRouting,
    providing: { ...options.providing },
    limits: {
      operationsMax: checkedInteger('limits.operationsMax', limits.operationsMax, defaultLimits.operationsMax),
      connectionsMax: checkedInteger('limits.connectionsMax', limits.connectionsMax, defaultLimits.connectionsMax),
      blockStoreBytesMax: checkedInteger(
        'limits.blockStoreBytesMax',
        limits.blockStoreBytesMax,
        defaultLimits.blockStoreBytesMax,
      ),
    },
  }
}

function transports(given: NonNullable<AminoClientOptions['transports']>): StartOptions['transports'] {
  return {
    webSocket: given.webSocket !== false,
    webTransport: given.webTransport !== false,
    webRtc: given.webRTC !== false && typeof RTCPeerConnection === 'function',
  }
}

/** A swarm on this machine has no use for public servers, and nobody else should hear of it. */
function iceServers(options: AminoClientOptions): StartOptions['iceServers'] {
  const { allowPrivateAddresses, iceServers: given = allowPrivateAddresses === true ? [] : undefined } = options
  if (given === undefined) return undefined
  return checkedList('iceServers', given).map((server) => {
    const { urls, username, credential } = server ?? {}
    const fits = [urls].flat().every((url) => typeof url === 'string' && /^(stun|turn)s?:/.test(url))
    require(fits, 'iceServers must be RTCIceServers with stun: or turn: urls.')
    return { urls, ...(username === undefined ? {} : { username }), ...(credential === undefined ? {} : { credential }) }
  })
}

function multiaddrs(name: string, values: readonly string[], part: string): string[] {
  return checkedList(name, values).map((value) => {
    const fits = typeof value === 'string' && value.startsWith('/') && value.includes(part)
    require(fits, `${name} must hold multiaddrs as text${part === '/' ? '' : ` with ${part}…`}; '${value}' is none.`)
    return value
  })
}

function protocol(name: string, value: string): string {
  require(typeof value === 'string' && value.startsWith('/'), `protocols.${name} must be a protocol id that begins with a slash.`)
  return value
}
