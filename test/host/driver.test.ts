import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EngineEffect } from '../../worker/engine/contract.ts'
import { limits } from '../../worker/engine/limits.ts'
import type { Address, PeerIdBytes } from '../../worker/engine/peer.ts'
import type { QueryId } from '../../worker/engine/query.ts'
import { Driver, type Clock } from '../../worker/host/driver.ts'

/** A clock that only moves when told to, with the timers that are armed. */
class FakeClock implements Clock {
  time = 1_000
  readonly timers = new Map<number, { callback: () => void; at: number }>()
  #next = 1

  now(): number {
    return this.time
  }

  setTimer(callback: () => void, delayMs: number): number {
    this.timers.set(this.#next, { callback, at: this.time + delayMs })
    return this.#next++
  }

  clearTimer(timer: unknown): void {
    this.timers.delete(timer as number)
  }

  /** Fires the only timer there may be. */
  fire(): void {
    const [[handle, timer]] = [...this.timers] as [[number, { callback: () => void; at: number }]]
    this.timers.delete(handle)
    this.time = timer.at
    timer.callback()
  }
}

const id = Uint8Array.of(0x12, 0x20, ...new Uint8Array(32).fill(7)) as PeerIdBytes
const address: Address = { bytes: Uint8Array.of(4, 127, 0, 0, 1), dialable: true }

function bench(perform: (effect: EngineEffect, driver: Driver) => void = () => undefined) {
  const clock = new FakeClock()
  const effects: EngineEffect[] = []
  const driver: Driver = new Driver({
    seed: 1,
    clock,
    perform: (effect) => {
      effects.push(effect)
      perform(effect, driver)
    },
  })
  const self = driver.peers.intern(Uint8Array.of(0x12, 0x20, ...new Uint8Array(32)) as PeerIdBytes)
  const start = (): void =>
    driver.dispatch({
      type: 'start',
      self,
      bootstrapPeers: [{ peer: driver.peers.intern(id), addresses: [address] }],
      tableEntries: [],
    })
  return { clock, effects, driver, start }
}

test('an event is handled, its effects are performed, and one timer is armed', () => {
  const { clock, effects, start } = bench()
  start()
  assert.ok(effects.some((effect) => effect.type === 'dial'))
  assert.equal(clock.timers.size, 1)
})

test('when the timer fires the engine is told, and the dial that took too long is cancelled', () => {
  const { clock, effects, start } = bench()
  start()
  for (let fired = 0; !effects.some((effect) => effect.type === 'cancel-dial'); fired++) {
    assert.ok(fired < 100, 'the deadline of the dial comes')
    assert.ok(clock.timers.size <= 1)
    clock.fire()
  }
  assert.ok(clock.time >= 1_000 + limits.dialTimeoutMs.value)
})

test('an event that comes while effects are performed waits until they are drained', () => {
  const order: string[] = []
  let nested = false
  const { driver, start } = bench((effect, running) => {
    order.push(effect.type)
    if (nested) return
    nested = true
    running.dispatch({ type: 'find-providers', query: 1 as QueryId, multihash: id, limit: 1 })
    order.push('dispatched')
  })
  start()
  assert.equal(order[1], 'dispatched', 'nothing of the second event is performed inside the first effect')
  const without = bench()
  without.start()
  assert.equal(driver.status().kad.activeQueries, without.driver.status().kad.activeQueries + 1, 'and then it is handled')
})

test('after stop nothing is handled and no timer is left', () => {
  const { clock, effects, driver, start } = bench()
  start()
  const before = effects.length
  driver.stop()
  driver.dispatch({ type: 'closest-peers', query: 1 as QueryId, key: id })
  assert.equal(effects.length, before)
  assert.equal(clock.timers.size, 0)
})
