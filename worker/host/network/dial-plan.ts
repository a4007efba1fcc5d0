import type { TransportName } from '../../contract/service.ts'
import { BytesMap } from '../../engine/bytes-map.ts'
import { limits } from '../../engine/limits.ts'

/** The addresses of a peer that one transport can try, one after the other. */
export interface DialStep<Target> {
  readonly transport: TransportName
  readonly targets: readonly Target[]
}

/**
 * What a connection costs, cheapest first: a WebSocket is the browser's plainest; WebTransport needs UDP to get through;
 * WebRTC needs the page's thread and a place among its connections, between browsers a relay's help too; a relayed
 * connection carries little.
 */
const byCost: readonly TransportName[] = ['websocket', 'webtransport', 'webrtc-direct', 'webrtc', 'relay']

/**
 * In which order a peer's transports are tried: first what it was reached by before, then by cost; a transport that has
 * failed several times in a row, with whatever peers, goes behind the others (a network that lets no UDP through). A
 * relayed connection always comes last.
 */
export class DialPlanner {
  readonly #worked = new BytesMap<TransportName>()
  readonly #failures = new Map<TransportName, number>()

  plan<Target>(peer: Uint8Array, targets: readonly { transport: TransportName; target: Target }[]): DialStep<Target>[] {
    const steps = new Map<TransportName, Target[]>()
    for (const { transport, target } of targets) {
      const step = steps.get(transport)
      if (step === undefined) steps.set(transport, [target])
      else step.push(target)
    }
    const worked = this.#worked.get(peer)
    return [...steps]
      .map(([transport, addresses]) => ({ transport, targets: addresses }))
      .sort((a, b) => this.#rank(a.transport, worked) - this.#rank(b.transport, worked))
  }

  succeeded(peer: Uint8Array, transport: TransportName): void {
    this.#failures.delete(transport)
    this.#worked.delete(peer)
    this.#worked.set(peer, transport)
    if (this.#worked.size > limits.workedTransportsMax.value) this.#worked.shift()
  }

  failed(peer: Uint8Array, transport: TransportName): void {
    this.#failures.set(transport, (this.#failures.get(transport) ?? 0) + 1)
    if (this.#worked.get(peer) === transport) this.#worked.delete(peer)
  }

  /** Another network: what was learned about transports says nothing any more. */
  forget(): void {
    this.#failures.clear()
  }

  #rank(transport: TransportName, worked: TransportName | undefined): number {
    const cost = byCost.indexOf(transport)
    if (transport === 'relay') return 100
    if (transport === worked) return -1
    const mistrusted = (this.#failures.get(transport) ?? 0) >= limits.transportMistrustFailures.value
    return mistrusted ? cost + byCost.length : cost
  }
}
