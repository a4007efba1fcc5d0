import { multiaddr } from '@multiformats/multiaddr'
import { startNode } from '../../demo/swarm/node.ts'
import { checkOptions } from '../../demo/swarm/options.ts'
import { populate } from '../../demo/swarm/population.ts'
import { type Gate, openGate } from './gate.ts'

/** A small DHT of real js-libp2p servers, each behind a gate: others know only the gate's address. */
export interface GatedNetwork {
  readonly gates: readonly Gate[]
  readonly ids: readonly string[]
  /** With `/p2p/…`. */
  readonly addresses: readonly string[]
  stop(): Promise<void>
}

export async function startGatedNetwork(peers: number): Promise<GatedNetwork> {
  const members = await populate(checkOptions({ peers, seed: 'gated' }))
  const started = await Promise.all(
    members.map(async (member) => {
      const gate = await openGate()
      const node = await startNode(member, '/ip4/127.0.0.1/tcp/0/ws', [`/ip4/127.0.0.1/tcp/${gate.port}/ws`], [])
      gate.leadTo(node.listeningPort())
      return { gate, node }
    }),
  )
  for (const { node } of started) {
    const others = started.filter((other) => other.node !== node)
    await node.learn(others.map(({ node: { member, addresses } }) => ({ id: member.id, addresses: addresses().map(multiaddr) })))
  }
  const ids = members.map(({ id }) => id.toString())
  return {
    gates: started.map(({ gate }) => gate),
    ids,
    addresses: started.map(({ gate }, index) => `/ip4/127.0.0.1/tcp/${gate.port}/ws/p2p/${ids[index]}`),
    stop: async () => {
      await Promise.all(started.map(({ gate }) => gate.close()))
      await Promise.all(started.map(({ node }) => node.stop()))
    },
  }
}
