import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../worker/engine/limits.ts'
import type { Key, PeerIdBytes, PeerInfo } from '../../../worker/engine/peer.ts'
import { Neighbourhood } from '../../../worker/engine/provide/neighbourhood.ts'

const rest = limits.neighbourRestMs.value

function info(first: number): PeerInfo {
  const key = new Uint32Array(8) as Key
  key[0] = first
  return { peer: { id: Uint8Array.of(first) as PeerIdBytes, key }, addresses: [{ bytes: Uint8Array.of(1), dialable: true }] }
}

test('a peer that lives and failed once is known again after a rest, one that failed twice only when all is forgotten', () => {
  const hood = new Neighbourhood(20)
  const [late, other] = [info(1), info(2)]
  const known = () => hood.askable(late.peer.key, 2).map(({ peer }) => peer.id[0])
  hood.refresh(undefined, 0)
  hood.learn([late, other])
  hood.seen(late.peer)
  hood.fail(late.peer)
  // Whoever names it has not reached it either.
  hood.learn([late])
  hood.advance(rest - 1)
  hood.recall()
  assert.deepEqual(known(), [2])
  hood.advance(rest)
  assert.deepEqual(known(), [2], 'not in the middle of a round')
  hood.recall()
  assert.deepEqual(known(), [1, 2])
  hood.fail(late.peer)
  hood.advance(10 * rest)
  hood.recall()
  hood.learn([late])
  assert.deepEqual(known(), [2])
  hood.distrust()
  hood.refresh(undefined, 10 * rest)
  hood.learn([late])
  assert.deepEqual(known(), [1])
})

test('a peer that is out already, as for another region, does not lose its second try', () => {
  const hood = new Neighbourhood(20)
  const late = info(1)
  hood.refresh(undefined, 0)
  hood.learn([late])
  hood.seen(late.peer)
  hood.fail(late.peer)
  hood.fail(late.peer)
  hood.advance(rest)
  hood.recall()
  assert.equal(hood.askable(late.peer.key, 1).length, 1)
})

test('answers with fewer than k are everybody only where k peers have never been heard of, and all who can be asked agree', () => {
  for (const [known, witnesses, isWhole] of [
    [3, 3, true],
    [3, 2, false],
    [1, 1, true],
    [20, 20, false],
  ] as const) {
    const hood = new Neighbourhood(20)
    const infos = Array.from({ length: known }, (_, index) => info(index + 1))
    hood.refresh(undefined, 0)
    hood.learn(infos)
    for (const witness of infos.slice(0, witnesses)) {
      hood.answered(
        witness.peer,
        witness.peer.key,
        infos.filter((other) => other !== witness),
      )
    }
    const elsewhere = info(0xf000_0000).peer.key
    assert.equal(hood.isCertain(elsewhere), isWhole, `${known} known, ${witnesses} asked`)
  }
})

test('where many fail, one that was never connected has no second try, unless it was not even dialed, or is connected afterwards', () => {
  const hood = new Neighbourhood(20)
  const [gone, waiting, late, ...others] = Array.from({ length: 11 }, (_, index) => info(index + 1)) as [
    PeerInfo,
    PeerInfo,
    PeerInfo,
  ]
  hood.refresh(undefined, 0)
  hood.learn([gone, waiting, late, ...others])
  for (const { peer } of others) hood.fail(peer)
  hood.fail(gone.peer)
  hood.fail(late.peer)
  hood.fail(waiting.peer, true)
  hood.seen(late.peer)
  hood.advance(rest)
  hood.recall()
  const known = hood.askable(gone.peer.key, 20).map(({ peer }) => peer.id[0])
  assert.deepEqual(
    known.toSorted((a = 0, b = 0) => a - b),
    [2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    'the first eight may have been late',
  )
})
