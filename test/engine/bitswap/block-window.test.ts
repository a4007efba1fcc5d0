import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlockWindow } from '../../../worker/engine/bitswap/block-window.ts'
import { limits } from '../../../worker/engine/limits.ts'

const first = limits.wantBlocksPerPeerFirst.value
const least = limits.wantBlocksPerPeerMin.value
const most = limits.wantBlocksPerPeerMax.value

/** Round after round, all that fits is asked for and comes in one message: after a round trip and the time of each block. */
function rounds(window: BlockWindow, count: number, roundTripMs: number, blockMs: number, startsAt = 0): number[] {
  const places: number[] = []
  let now = startsAt
  for (let round = 0; round < count; round++) {
    const asked = window.places
    const askedAt = now
    now += roundTripMs + asked * blockMs
    window.delivered(asked, asked, askedAt, now)
    places.push(window.places)
  }
  return places
}

test('the window triples with each round trip while blocks come as soon as one alone, however long that takes', () => {
  for (const roundTripMs of [20, 200, 1_500, 6_000])
    assert.deepEqual(rounds(new BlockWindow(), 3, roundTripMs, 0), [3 * first, most, most])
})

test('a peer of which blocks have to wait behind each other gets no more than wait as long as they may', () => {
  for (const blockMs of [30, 60, 250]) {
    const window = new BlockWindow()
    window.delivered(1, first, 0, 200 + blockMs)
    const places = rounds(window, 20, 200, blockMs, 1_000).slice(10)
    const enough = limits.pipelineMs.value / blockMs
    for (const count of places) assert.ok(count >= Math.max(least, 0.5 * enough), `${count} places, ${blockMs} ms a block`)
    assert.ok(Math.min(...places) <= Math.max(least, 1.5 * enough), `${places.join()} places, ${blockMs} ms a block`)
  }
})

test('a peer that has become slow gets less, once for all that was asked of it before, and never nothing', () => {
  const window = new BlockWindow()
  rounds(window, 3, 100, 0)
  for (let at = 4_000; at < 4_010; at++) window.delivered(1, most, 1_000, at)
  const shrunk = Math.floor((most * (100 + limits.pipelineMs.value)) / 3_000)
  assert.equal(window.places, shrunk)
  rounds(window, 10, 60_000, 0, 5_000)
  assert.equal(window.places, least)
})

test('blocks that come while little was asked for say nothing about how much more there could be', () => {
  const window = new BlockWindow()
  for (let at = 100; at < 2_000; at += 100) window.delivered(1, 1, at - 50, at)
  assert.equal(window.places, first)
})

test('where nobody else can be asked a peer gets more, until its blocks have waited behind each other for too long', () => {
  const window = new BlockWindow()
  assert.equal(window.most, limits.wantBlocksPerPeerAlone.value)
  rounds(window, 3, 100, 0)
  assert.equal(window.most, most)
  window.delivered(1, most, 1_000, 9_000)
  assert.equal(window.most, window.places)
})
