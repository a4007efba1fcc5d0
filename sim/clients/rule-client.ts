import type { KadRequest } from '../../worker/engine/kad/message.ts'
import type { Millis } from '../../worker/engine/machine.ts'
import type { LookupRule } from '../rules/rule.ts'
import { type Cancel, ClientPlace, type Network } from '../world/network.ts'
import type { LookupLog } from './lookup-log.ts'
import type { Patience } from './patience.ts'

/**
 * Runs rival lookups: connects, asks, waits as long as their `Patience` says. One stream per peer on which requests wait
 * for each other, if `serialised`, as in Go. Dials above `dialsMax` wait.
 */
export class RuleClient {
  readonly place: ClientPlace
  readonly #network: Network
  readonly #patience: Patience
  readonly #dialsMax: number
  readonly #serialised: boolean
  readonly #connected = new Set<number>()
  readonly #busyStreams = new Map<number, (() => void)[]>()
  readonly #waitingDials: (() => void)[] = []
  #dials = 0

  constructor(init: {
    network: Network
    number: number
    patience: Patience
    dialsMax: number
    serialised: boolean
    /** Then new WebSockets wait as Chromium makes them wait. */
    inBrowser: boolean
    connected?: readonly number[]
  }) {
    this.#network = init.network
    const { seed, clientZone } = init.network
    this.place = new ClientPlace({ seed, clientZone, id: init.number, inBrowser: init.inBrowser })
    this.#patience = init.patience
    this.#dialsMax = init.dialsMax
    this.#serialised = init.serialised
    for (const server of init.connected ?? []) this.#connected.add(server)
  }

  /** Runs in the agenda of the network until `rule.hasEnded`. `isBarred`: peers that the rule never hears of. */
  begin(init: {
    rule: LookupRule
    seeds: readonly number[]
    request: KadRequest
    log: LookupLog
    isBarred?: (server: number) => boolean
  }): void {
    const { rule, seeds, request, log, isBarred = () => false } = init
    const asks = new Map<number, Ask>()
    const drain = () => {
      for (let effect = rule.poll(); effect !== undefined; effect = rule.poll()) {
        if (effect.type === 'ask') asks.set(effect.server, this.#ask(effect.server, request, log, settle))
        else if (effect.type === 'stop-asking') asks.get(effect.server)?.stop()
      }
      if (rule.hasEnded) for (const ask of asks.values()) ask.stop()
    }
    const settle = (server: number, closer: readonly number[] | undefined) => {
      if (closer === undefined) rule.handle({ type: 'failed', server }, this.#network.now)
      else rule.handle({ type: 'answered', server, closer: closer.filter((other) => !isBarred(other)) }, this.#network.now)
      drain()
    }
    rule.handle({ type: 'seeds', servers: seeds }, this.#network.now)
    drain()
  }

  #ask(server: number, request: KadRequest, log: LookupLog, settle: Settle): Ask {
    const { agenda } = this.#network
    const startedAt = agenda.now
    const patience = this.#patience.next(startedAt)
    let step: Cancel = () => {}
    let isOpen = true
    const stop = () => {
      isOpen = false
      step()
    }
    const end = (closer: readonly number[] | undefined) => {
      if (!isOpen) return
      stop()
      this.#patience.settled(agenda.now - startedAt, closer === undefined, agenda.now)
      settle(server, closer)
    }
    const limit = (ms: Millis) => {
      if (ms !== Number.POSITIVE_INFINITY) agenda.plan(ms, () => end(undefined))
    }
    limit(patience.overallMs)
    const send = () => {
      if (isOpen) step = this.#send(server, request, log, patience.answerMs, end)
    }
    if (this.#connected.has(server)) send()
    else step = this.#connect(server, log, patience.dialMs, send, () => end(undefined))
    return { stop }
  }

  #connect(server: number, log: LookupLog, dialMs: Millis, ready: () => void, failed: () => void): Cancel {
    const { agenda } = this.#network
    let cancel: Cancel = () => {}
    let state: 'queued' | 'dialing' | 'over' = 'queued'
    const over = () => {
      if (state === 'dialing') {
        this.#dials--
        this.#waitingDials.shift()?.()
      }
      state = 'over'
      cancel()
    }
    const fail = () => {
      if (state === 'over') return
      log.dialFailed()
      over()
      failed()
    }
    const dial = () => {
      if (state === 'over') {
        this.#waitingDials.shift()?.()
        return
      }
      state = 'dialing'
      this.#dials++
      if (this.#network.world.population.isDialable(server)) log.dialed()
      if (dialMs !== Number.POSITIVE_INFINITY) agenda.plan(dialMs, fail)
      cancel = this.#network.dial(this.place, server, (outcome) => {
        if (outcome !== 'connected') return fail()
        this.#connected.add(server)
        over()
        ready()
      })
    }
    if (this.#dials < this.#dialsMax) dial()
    else this.#waitingDials.push(dial)
    return over
  }

  #send(
    server: number,
    request: KadRequest,
    log: LookupLog,
    answerMs: Millis,
    end: (closer: readonly number[] | undefined) => void,
  ): Cancel {
    const { agenda, world } = this.#network
    let cancel: Cancel = () => {}
    let state: 'queued' | 'sent' | 'over' = 'queued'
    const release = () => {
      if (state === 'sent') this.#freeStream(server)
      state = 'over'
      cancel()
    }
    const write = () => {
      if (state === 'over') return this.#freeStream(server)
      state = 'sent'
      log.asked()
      cancel = this.#network.request(this.place, server, request, (outcome) => {
        release()
        if (outcome.type !== 'answered') return end(undefined)
        log.answeredBy(server, outcome.response, agenda.now)
        end(outcome.response.closer.map(({ id }) => world.serverOf(id)).filter((closer) => closer !== undefined))
      })
    }
    if (answerMs !== Number.POSITIVE_INFINITY) {
      agenda.plan(answerMs, () => {
        if (state === 'over') return
        release()
        end(undefined)
      })
    }
    this.#whenStreamIsFree(server, write)
    return release
  }

  #whenStreamIsFree(server: number, write: () => void): void {
    const queue = this.#busyStreams.get(server)
    if (this.#serialised && queue !== undefined) {
      queue.push(write)
      return
    }
    if (this.#serialised) this.#busyStreams.set(server, [])
    write()
  }

  #freeStream(server: number): void {
    const next = this.#busyStreams.get(server)?.shift()
    if (next === undefined) this.#busyStreams.delete(server)
    else next()
  }
}

interface Ask {
  readonly stop: Cancel
}

type Settle = (server: number, closer: readonly number[] | undefined) => void
