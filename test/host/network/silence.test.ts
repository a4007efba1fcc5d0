import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../worker/engine/limits.ts'
import { Silence } from '../../../worker/host/network/silence.ts'

const first = limits.silenceMs.value
const [peer, other] = [Uint8Array.of(1), Uint8Array.of(2)]

/** A clock that the test moves, and what was told when. */
class Watch {
  readonly told: [at: number, peers: number[]][] = []
  readonly silence: Silence
  isAwaited = true
  #now = 0
  #timer: { readonly at: number; readonly act: () => void } | undefined

  constructor() {
    this.silence = new Silence({
      now: () => this.#now,
      after: (ms, act) => {
        this.#timer = { at: this.#now + ms, act }
        return () => {
          this.#timer = undefined
        }
      },
      isAwaited: () => this.isAwaited,
      onSilent: (peers) => this.told.push([this.#now, peers.map(([byte]) => byte!)]),
    })
  }

  get isWaiting(): boolean {
    return this.#timer !== undefined
  }

  pass(ms: number): void {
    const end = this.#now + ms
    while (this.#timer !== undefined && this.#timer.at <= end) {
      const { at, act } = this.#timer
      this.#timer = undefined
      this.#now = at
      act()
    }
    this.#now = end
  }
}

test('a peer that was asked and says nothing is told of, after twice the time again, and so on up to the ceiling', () => {
  const watch = new Watch()
  watch.silence.asked(peer)
  watch.pass(20 * limits.silenceMaxMs.value)
  const times = watch.told.map(([at]) => at)
  assert.deepEqual(times.slice(0, 3), [first, 3 * first, 7 * first])
  const gaps = times.slice(1).map((at, index) => at - times[index]!)
  assert.equal(Math.max(...gaps), limits.silenceMaxMs.value)
})

test('whoever says something is awaited anew, and whoever is gone no more', () => {
  const watch = new Watch()
  watch.silence.asked(peer)
  watch.silence.asked(other)
  watch.pass(first - 1)
  watch.silence.heard(peer)
  watch.pass(1)
  assert.deepEqual(watch.told, [[first, [2]]])
  watch.silence.gone(other)
  watch.pass(first)
  assert.deepEqual(watch.told.slice(1), [[2 * first, [1]]])
  watch.silence.gone(peer)
  watch.pass(first)
  assert.deepEqual([watch.told.length, watch.isWaiting], [2, false])
})

test('to ask again does not make the silence shorter', () => {
  const watch = new Watch()
  watch.silence.asked(peer)
  watch.pass(first - 1)
  watch.silence.asked(peer)
  watch.pass(1)
  assert.deepEqual(watch.told, [[first, [1]]])
})

test('when nobody waits any more, whoever has said nothing at all is told of once, and others are not', () => {
  const watch = new Watch()
  watch.silence.asked(peer)
  watch.silence.asked(other)
  watch.silence.heard(other)
  watch.isAwaited = false
  watch.pass(10 * first)
  assert.deepEqual([watch.told, watch.isWaiting], [[[first, [1]]], false])
})

test('after the end nobody is told of', () => {
  const watch = new Watch()
  watch.silence.asked(peer)
  watch.silence.stop()
  watch.pass(10 * first)
  assert.deepEqual([watch.told, watch.isWaiting], [[], false])
})
