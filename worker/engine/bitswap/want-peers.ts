import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import { betterInfo, type Peer, type PeerInfo } from '../peer.ts'
import { sourceRank } from './block-choice.ts'
import type { Link } from './link.ts'
import { newWantPeer, type PeerSource, type WantPeer } from './want-peer.ts'

/** Whom one want knows, by id. */
export class WantPeers extends BytesMap<WantPeer> {
  #most: number = limits.wantPeersMax.value
  #providers = 0

  get hasProviders(): boolean {
    return this.#providers > 0
  }

  /** It asks everybody there is. */
  makeRoomForAll(): void {
    this.#most = limits.bitswapPeersMax.value
  }

  /** A few at a time. While guesses may bring the block, only those that are as likely to have it. */
  toDial(isGuessing: boolean): readonly WantPeer[] {
    let free: number = limits.wantConnectionsMax.value
    const heard: WantPeer[] = []
    for (const entry of this.values()) {
      const { state, source, isProvider } = entry
      if (state.type === 'connecting' || state.type === 'identifying') free--
      if (state.type === 'heard' && (!isGuessing || isProvider || source === 'registry')) heard.push(entry)
    }
    return heard.slice(0, Math.max(0, free))
  }

  /** A reason to ask this peer. More than are useful are ignored. */
  join(peer: Peer, source: PeerSource, info: PeerInfo | undefined, link: Link | undefined): WantPeer | undefined {
    const known = this.get(peer.id)
    if (known !== undefined) {
      if (sourceRank[source] > sourceRank[known.source]) known.source = source
      known.isProvider ||= source === 'provider'
      known.info = betterInfo(known.info, info)
      if (known.state.type === 'gone' && known.info !== undefined && known.dials < limits.wantDialsMax.value)
        known.state = { type: 'heard' }
      return known
    }
    if (this.size >= this.#most || (link === undefined && info === undefined)) return undefined
    if (source === 'provider' && this.#providers++ >= limits.wantProvidersMax.value) return undefined
    const added = newWantPeer(peer, source, info, link)
    this.set(peer.id, added)
    return added
  }
}
