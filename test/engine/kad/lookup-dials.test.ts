import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Patience } from '../../../worker/engine/kad/patience.ts'
import { limits } from '../../../worker/engine/limits.ts'
import type { PeerInfo } from '../../../worker/engine/peer.ts'
import { newDialTimesByKind } from '../../../worker/engine/resilience/dial-times.ts'
import { bitsOf, info8, peer8 } from '../../support/kad-peers.ts'
import { LookupBench as Bench } from '../../support/lookup-bench.ts'

/** What a lookup does about dials that take their time, and about what goes wrong in passing. */

test('dials have places of their own, and none is begun for a peer that would only wait to be asked', () => {
  const many = Array.from({ length: 30 }, (_, index) => index + 1)
  const bench = new Bench({ alpha: 3 }).seeds(...many)
  assert.equal(bench.told('connect').length, limits.lookupDialsMax.value)
  bench.ready(1, 2, 3)
  assert.deepEqual(bench.told('ask'), [1, 2, 3])
  assert.equal(bench.told('connect').length, limits.lookupDialsMax.value + 2)
})

test('a nearer peer that is still dialed holds the end up only as long as patience lasts', () => {
  const bench = new Bench({ k: 3, beta: 1 }).seeds(1, 2).settle(2)
  assert.equal(bench.lookup.phase, 'converging')
  bench.wait(limits.lookupDialOverdueMs.value)
  bench.wait(limits.dialLateMs.value - limits.lookupDialOverdueMs.value - 1)
  assert.equal(bench.lookup.phase, 'converging')
  assert.equal(bench.lookup.nextDeadline(), limits.dialLateMs.value)
  bench.wait(1)
  assert.equal(bench.lookup.phase, 'ended')
  assert.deepEqual(bench.told('drop-connect'), [1])
  assert.deepEqual(bench.outcomes(3), ['2 responded'])
})

test('a dial that is overdue gives its place free before patience ends', () => {
  const many = Array.from({ length: 30 }, (_, index) => index + 1)
  const bench = new Bench().seeds(...many).wait(limits.lookupDialOverdueMs.value)
  assert.equal(bench.told('connect').length, limits.lookupDialsTotalMax.value)
  bench.wait(limits.lookupDialOverdueMs.value)
  assert.equal(bench.told('connect').length, limits.lookupDialsTotalMax.value)
})

test('when following up, twice as many of the next nearest are dialed too as are expected to be needed because of silent peers', () => {
  const dialTimes = newDialTimesByKind()
  // As many silent as not: with the eight that it starts from, 17 in 40.
  for (let count = 0; count < 16; count++) dialTimes.general.silent()
  for (let count = 0; count < 16; count++) dialTimes.general.succeeded(400)
  const bench = new Bench({ k: 8, beta: 1, patience: new Patience(dialTimes) }).seeds(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)
  const nearest = [1, 2, 3, 4, 5, 6, 7, 8]
  assert.deepEqual(bench.told('connect'), nearest)
  bench.settle(1)
  assert.equal(bench.lookup.phase, 'following-up')
  // Of the seven that have not answered three are thought silent.
  assert.deepEqual(bench.told('connect'), [...nearest, 9])
  bench.settle(2, 3)
  assert.deepEqual(bench.told('connect'), [...nearest, 9, 10, 11])
  bench.settle(4, 5, 6, 7, 8)
  assert.equal(bench.lookup.phase, 'ended')
  assert.deepEqual(bench.told('drop-connect'), [9, 10, 11])
})

test('a dial of which nothing is seen before it is connected is late by what such dials take, not by the others', () => {
  const dialTimes = newDialTimesByKind()
  for (let count = 0; count < limits.durationWindowMin.value; count++) {
    dialTimes.general.succeeded(60)
    dialTimes.quiet.succeeded(1_000)
  }
  const bench = new Bench({ k: 3, beta: 1, patience: new Patience(dialTimes) })
  const quiet = { peer: peer8(1), addresses: [{ bytes: Uint8Array.of(1), dialable: true, quiet: true as const }] }
  bench
    .send({ type: 'candidates-found', candidates: [quiet, info8(2), info8(3)] })
    .settle(3)
    .wait(limits.dialLateMinMs.value)
  // The other one is taken for dead by now.
  assert.deepEqual(bench.outcomes(), ['1 unasked', '3 responded'])
  assert.equal(bench.lookup.nextDeadline(), 1_000)
  bench.wait(600).settle(1)
  assert.equal(bench.lookup.phase, 'ended')
  assert.deepEqual(bench.outcomes(), ['1 responded', '3 responded'])
})

test('while fewer than β have answered, late dials are waited for', () => {
  const bench = new Bench({ k: 3, beta: 2 }).seeds(1, 2).settle(2).wait(limits.dialLateMs.value)
  assert.notEqual(bench.lookup.phase, 'ended')
  bench.settle(1)
  assert.equal(bench.lookup.phase, 'ended')
})

describe('a peer that somebody named with wrong addresses', () => {
  const addressesOf = (...numbers: number[]) => numbers.map((number) => ({ bytes: Uint8Array.of(0, number), dialable: true }))
  const lies = addressesOf(...Array.from({ length: limits.addressesPerPeerMax.value }, (_, index) => 100 + index))
  const infoOf = (addresses: PeerInfo['addresses']): PeerInfo => ({ peer: peer8(1), addresses })
  const refuse = (bench: Bench, tried?: PeerInfo['addresses']) =>
    bench.send({ type: 'connection-failed', peer: peer8(1), reason: 'refused', tried })
  /** Where the peer was dialed. */
  const dials = (bench: Bench) =>
    bench.effects.flatMap((effect) =>
      effect.type === 'connect' && bitsOf(effect.info.peer) === 1 ? [effect.info.addresses] : [],
    )
  const lied = () =>
    new Bench({ beta: 2 })
      .seeds(2, 3, 4, 5)
      .ready(2, 3, 4, 5)
      .answer(2, [infoOf(lies)])

  test('is dialed once more when others name other addresses, at those alone', () => {
    const bench = refuse(lied()).answer(3, [infoOf(lies)])
    assert.equal(bench.state(1), 'failed')
    bench.answer(4, [infoOf([...lies.slice(1), ...addressesOf(1)])])
    assert.deepEqual(dials(bench), [lies, addressesOf(1)])
    refuse(bench).answer(5, [infoOf(addressesOf(2))])
    assert.equal(dials(bench).length, 2)
    assert.equal(bench.lookup.phase, 'ended')
  })

  test('is found with the right ones', () => {
    const bench = refuse(lied())
      .answer(3, [infoOf(addressesOf(1))])
      .settle(1)
      .answer(4)
      .answer(5)
    assert.equal(bench.lookup.phase, 'ended')
    assert.deepEqual(bench.lookup.nearest(1), [{ info: infoOf(addressesOf(1)), outcome: 'responded' }])
  })

  test('is dialed at the right ones also if they came while it was dialed, or if others dialed it at the wrong ones', () => {
    assert.deepEqual(dials(refuse(lied().answer(3, [infoOf(addressesOf(1))]))), [lies, addressesOf(1)])
    const shared = new Bench().send({ type: 'candidates-found', candidates: [infoOf(addressesOf(1, 2))] })
    assert.deepEqual(dials(refuse(shared, [...lies.slice(1), ...addressesOf(2)])), [addressesOf(1, 2), addressesOf(1)])
  })

  test('is not dialed again if it was reached, or denied', () => {
    const silent = lied()
      .ready(1)
      .send({ type: 'request-failed', peer: peer8(1), reason: 'timeout' })
    const denied = lied().send({ type: 'connection-failed', peer: peer8(1), reason: 'denied' })
    for (const bench of [silent, denied]) assert.equal(dials(bench.answer(3, [infoOf(addressesOf(1))])).length, 1)
  })
})

test('a peer that an overloaded dialer refuses again and again is ordered ever later, and then given up', () => {
  const bench = new Bench({ beta: 1 }).seeds(1, 2).settle(2)
  const waits: number[] = []
  while (bench.state(1) !== 'failed') {
    bench.send({ type: 'connection-failed', peer: peer8(1), reason: 'overloaded' })
    const deadline = bench.lookup.nextDeadline()
    if (bench.state(1) !== 'resting' || deadline === undefined) break
    waits.push(deadline - bench.now)
    bench.wait(deadline - bench.now)
  }
  assert.equal(bench.state(1), 'failed')
  assert.deepEqual(waits.slice(0, 4), [25, 50, 100, 100])
  assert.equal(waits.length, limits.congestionRetriesMax.value)
})

test('a peer whose stream was reset is asked once more after a moment, and only once', () => {
  const bench = new Bench({ beta: 1 }).seeds(1, 2).ready(1)
  const reset = () => bench.send({ type: 'request-failed', peer: peer8(1), reason: 'reset' })
  reset().wait(limits.streamRetryMs.value).ready(1)
  assert.deepEqual(bench.told('ask'), [1, 1])
  reset()
  assert.equal(bench.state(1), 'failed')
})

test('time in the queue of dials is no fault of the peer: its patience begins with its dial', () => {
  const bench = new Bench({ k: 3, beta: 1 })
    .seeds(1, 2)
    .send({ type: 'dial-queued', peer: peer8(1) })
    .settle(2)
  bench.wait(2 * limits.dialLateMs.value)
  assert.equal(bench.lookup.phase, 'converging')
  bench.send({ type: 'dial-begun', peer: peer8(1), agoMs: 0 }).wait(limits.dialLateMs.value - 1)
  assert.equal(bench.lookup.phase, 'converging')
  bench.wait(1)
  assert.equal(bench.lookup.phase, 'ended')
})

test('a dial that the peer has answered keeps nobody from being dialed, and is waited for anew, but not for ever', () => {
  const seeds = Array.from({ length: limits.lookupDialsMax.value + 2 }, (_, index) => index + 1)
  const bench = new Bench({ k: 20, beta: 1 }).seeds(...seeds)
  assert.equal(bench.told('connect').length, limits.lookupDialsMax.value)
  bench.wait(limits.lookupDialOverdueMs.value - 1).send({ type: 'dial-opened', peer: peer8(1) })
  assert.equal(bench.told('connect').length, limits.lookupDialsMax.value + 1)
  for (const number of seeds.slice(1)) bench.settle(number)
  bench.wait(limits.dialLateMs.value - 1)
  assert.notEqual(bench.lookup.phase, 'ended')
  bench.wait(1)
  assert.equal(bench.lookup.phase, 'ended')
})

test('a dial that others began long ago is late as soon as that is known', () => {
  const bench = new Bench({ k: 3, beta: 1 }).seeds(1, 2).settle(2)
  bench.send({ type: 'dial-begun', peer: peer8(1), agoMs: limits.dialLateMs.value })
  assert.equal(bench.lookup.phase, 'ended')
})

test('a dial that is answered at once was no dial: the peer was connected', () => {
  const bench = new Bench({ beta: 1 }).seeds(1, 2).ready(1)
  bench.now = 5
  bench.ready(2).answer(2).answer(1)
  assert.deepEqual(bench.lookup.stats(99), { requests: 2, responses: 2, dials: 1, failures: 0, undialable: 0, durationMs: 5 })
})

test('a dial that nearer peers have pushed out of the k nearest gives its place to them, and may come again', () => {
  const far = Array.from({ length: limits.lookupDialsMax.value }, (_, index) => 0x80 + index)
  const bench = new Bench({ k: 9, beta: 3 }).seeds(...far, 0x70)
  assert.deepEqual(bench.told('connect'), [0x70, ...far.slice(0, -1)])
  bench.ready(0x70).answer(
    0x70,
    [1, 2, 3, 4, 5, 6, 7].map((bits) => info8(bits)),
  )
  // The nearest of them is still among the nine nearest.
  assert.deepEqual(bench.told('drop-connect'), far.slice(1))
  assert.deepEqual(bench.told('connect').slice(8), [far.at(-1), 1, 2, 3, 4, 5, 6, 7])
  for (const bits of [1, 2, 3, 4, 5, 6, 7]) bench.send({ type: 'connection-failed', peer: peer8(bits), reason: 'refused' })
  assert.equal(bench.told('connect').filter((bits) => bits === 0x81).length, 2)
})
