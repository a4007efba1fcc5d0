import type { KadDHT } from '@libp2p/kad-dht'

/** Counts what arrives at the peers of the swarm, for benches: whatever a client says of itself, this is what it cost others. */
export interface SwarmObserver {
  /** A connection to any address of the swarm, also those of the dead. */
  dialed(): void
  /** A kad message of a client, or of another peer of the swarm. */
  requested(): void
  /** Entries of a want list that arrived, cancels apart. */
  wanted(wants: number, cancels: number): void
  blocksSent(count: number): void
}

interface Rpc {
  handleMessage(peer: unknown, message: unknown): Promise<unknown>
}

/** kad-dht has no event for it. */
export function watchKad(dht: KadDHT, observer: SwarmObserver): void {
  const { rpc } = dht as unknown as { rpc: Rpc }
  const handle = rpc.handleMessage.bind(rpc)
  rpc.handleMessage = (peer, message) => {
    observer.requested()
    return handle(peer, message)
  }
}

interface HeliaBitswap {
  readonly name: string
  readonly bitswap: {
    readonly network: {
      metrics: { blocksSent?: { increment(count: number): void } | undefined }
      addEventListener(type: 'bitswap:message', listener: (event: CustomEvent<WantsMessage>) => void): void
    }
  }
}

interface WantsMessage {
  readonly message: { readonly wantlist?: { readonly entries: readonly { readonly cancel?: boolean }[] } }
}

/** Helia keeps its brokers to itself in its types only. */
export function watchBitswap(helia: object, observer: SwarmObserver): void {
  const brokers = (helia as { blockBrokers: readonly HeliaBitswap[] }).blockBrokers
  const network = brokers.find(({ name }) => name === 'bitswap')?.bitswap.network
  if (network === undefined) throw new Error('This Helia has no Bitswap to count.')
  network.addEventListener('bitswap:message', ({ detail }) => {
    const entries = detail.message.wantlist?.entries ?? []
    const cancels = entries.filter(({ cancel }) => cancel === true).length
    if (entries.length > 0) observer.wanted(entries.length - cancels, cancels)
  })
  network.metrics.blocksSent = { increment: (count) => observer.blocksSent(count) }
}
