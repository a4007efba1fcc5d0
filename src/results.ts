import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import type { ClosestPeerItem, PeerData, ProgressData, ProviderItem, StatusData } from '../worker/contract/service.ts'
import type { ClosestPeer, PeerInfo, Progress, Provider, Status } from './types.ts'

/** What the Worker gives, in the words of the public API. */

export function peerIdText(id: Uint8Array): string {
  return base58btc.baseEncode(id)
}

export function toPeerInfo(data: PeerData): PeerInfo {
  return { id: peerIdText(data.id), multiaddrs: data.addresses }
}

export function toProvider(item: ProviderItem): Provider {
  return {
    ...toPeerInfo(item),
    from: typeof item.from === 'string' ? item.from : peerIdText(item.from),
    elapsedMs: item.elapsedMs,
  }
}

export function toClosestPeer(item: ClosestPeerItem): ClosestPeer {
  return { ...toPeerInfo(item), outcome: item.outcome }
}

export function toProgress({ cid, ...data }: ProgressData): Progress {
  const of = cid === undefined ? {} : { cid: CID.decode(cid) }
  return 'peer' in data ? { ...data, ...of, peer: peerIdText(data.peer) } : { ...data, ...of }
}

export function toStatus(data: StatusData): Status {
  return { ...data, peerId: peerIdText(data.peerId) }
}
