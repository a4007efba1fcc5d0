import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WantlistEntry } from '../../../worker/engine/bitswap/message.ts'
import { Outbox } from '../../../worker/engine/bitswap/outbox.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { OrderIds } from '../../../worker/engine/machine.ts'

const orders = new OrderIds()
const key = (index: number) => new Uint8Array([index >> 8, index & 255])
const entry = (index: number, wantType: 'block' | 'have', sendDontHave = true): WantlistEntry => ({
  cid: key(index),
  priority: 1,
  cancel: false,
  wantType,
  sendDontHave,
})

/** Sends what there is, and says it in words. */
function say(outbox: Outbox, now = 0): string[] {
  const flight = outbox.assemble(orders, now)
  if (flight === undefined) return []
  outbox.sent()
  return flight.message.wantlist.map(({ cid, cancel, wantType }) => `${cancel ? 'cancel' : wantType} ${cid[1]}`)
}

test('what comes up while a message is in flight coalesces into the next one', () => {
  const outbox = new Outbox(false)
  outbox.want(key(1), entry(1, 'have'))
  assert.equal(outbox.assemble(orders, 0)?.message.wantlist.length, 1)
  outbox.want(key(2), entry(2, 'have', false))
  outbox.want(key(2), entry(2, 'block'))
  outbox.want(key(2), entry(2, 'have'))
  outbox.want(key(3), entry(3, 'have'))
  outbox.cancel(key(3), 0)
  assert.equal(outbox.assemble(orders, 0), undefined, 'one at a time')
  outbox.sent()
  assert.deepEqual(outbox.assemble(orders, 0)?.message.wantlist, [{ ...entry(2, 'block') }])
})

test('a want that the peer was told already is not said again, unless it asks for more', () => {
  const outbox = new Outbox(false)
  assert.equal(outbox.want(key(1), entry(1, 'have')), true)
  assert.deepEqual(say(outbox), ['have 1'])
  assert.equal(outbox.want(key(1), entry(1, 'have')), false)
  assert.deepEqual(say(outbox), [])
  assert.equal(outbox.want(key(1), entry(1, 'block')), true)
  assert.deepEqual(say(outbox), ['block 1'])
  assert.equal(outbox.want(key(1), entry(1, 'have')), false)
})

test('a cancel goes only to a peer that was told, once; that of a want-block at once', () => {
  const outbox = new Outbox(false)
  outbox.cancel(key(1), 0)
  assert.deepEqual(say(outbox, limits.cancelWaitMs.value), [])
  outbox.want(key(1), entry(1, 'block'))
  assert.deepEqual(say(outbox), ['block 1'])
  outbox.cancel(key(1), 0)
  outbox.cancel(key(1), 0)
  assert.deepEqual(say(outbox), ['cancel 1'])
  outbox.cancel(key(1), 0)
  assert.deepEqual(say(outbox, limits.cancelWaitMs.value), [])
})

test('the cancel of a want-have waits for a message that makes it superfluous, and not forever', () => {
  const outbox = new Outbox(false)
  const wait = limits.cancelWaitMs.value
  for (const index of [1, 2, 3]) outbox.want(key(index), entry(index, 'have'))
  say(outbox)
  outbox.cancel(key(1), 100)
  outbox.cancel(key(2), 200)
  assert.equal(outbox.deadline, 100 + wait)
  assert.deepEqual(say(outbox, 99 + wait), [])
  outbox.want(key(4), entry(4, 'have'))
  assert.deepEqual(say(outbox, 300), ['have 4'], 'the third is still wanted')
  assert.deepEqual(say(outbox, 100 + wait), ['cancel 1'])
  assert.equal(outbox.deadline, 200 + wait)
  outbox.cancel(key(3), 400)
  outbox.cancel(key(4), 400)
  assert.deepEqual(say(outbox, 200 + wait), ['cancel 2'])
  outbox.want(key(5), entry(5, 'have'))
  assert.equal(outbox.assemble(orders, 300 + wait)?.message.full, true)
  outbox.sent()
  assert.equal(outbox.deadline, undefined)
})

test('a message that says all that is wanted replaces what the peer holds, and needs no cancels', () => {
  const outbox = new Outbox(false)
  for (const index of [1, 2]) outbox.want(key(index), entry(index, 'have'))
  say(outbox)
  for (const index of [1, 2]) outbox.cancel(key(index), 0)
  outbox.want(key(3), entry(3, 'have'))
  const { message } = outbox.assemble(orders, 10)!
  assert.equal(message.full, true)
  assert.deepEqual(message.wantlist, [entry(3, 'have')])
  outbox.failed(10)
  outbox.denied(key(3))
  assert.deepEqual(say(outbox, 10 + limits.messageRetryFirstMs.value), ['cancel 1', 'cancel 2'], 'the peer still holds them')
  outbox.want(key(4), entry(4, 'block'))
  say(outbox, 1_000)
  outbox.cancel(key(4), 1_000)
  outbox.want(key(5), entry(5, 'have'))
  assert.deepEqual(say(outbox, 1_000), ['cancel 4', 'have 5'], 'a block may be on its way already')
})

test('where little is still wanted, a whole wantlist says that once more instead of many cancels, when the first is due', () => {
  const outbox = new Outbox(false)
  const wait = limits.cancelWaitMs.value
  for (let index = 1; index <= 6; index++) outbox.want(key(index), entry(index, 'have', false))
  outbox.want(key(7), entry(7, 'block', true))
  say(outbox)
  outbox.denied(key(7))
  for (const index of [1, 2, 3, 4, 5]) outbox.cancel(key(index), 100)
  outbox.want(key(8), entry(8, 'have'))
  assert.deepEqual(say(outbox, 200), ['have 8'], 'none is due yet')
  outbox.cancel(key(8), 200)
  const { message } = outbox.assemble(orders, 100 + wait)!
  assert.equal(message.full, true)
  assert.deepEqual(
    message.wantlist,
    [entry(6, 'have', false), entry(7, 'have', false)],
    'what was denied would be denied once more',
  )
  outbox.sent()
  assert.equal(outbox.deadline, undefined)
  outbox.want(key(7), entry(7, 'block', true))
  assert.deepEqual(say(outbox, 200 + wait), ['cancel 7'])
  assert.deepEqual(say(outbox, 200 + wait), ['block 7'], 'Helia has not begun anew with a want-have that it was told twice')
})

test('a whole wantlist that did not arrive leaves cancels of what it was to end', () => {
  const outbox = new Outbox(false)
  const wait = limits.cancelWaitMs.value
  for (const index of [1, 2, 3]) outbox.want(key(index), entry(index, 'have', false))
  say(outbox)
  for (const index of [1, 2]) outbox.cancel(key(index), 0)
  assert.equal(outbox.assemble(orders, wait)?.message.full, true)
  outbox.failed(wait)
  outbox.want(key(4), entry(4, 'have'))
  outbox.cancel(key(3), wait)
  assert.equal(outbox.assemble(orders, wait + limits.messageRetryFirstMs.value)?.message.full, true)
  assert.equal(outbox.isTold(key(3)), false)
})

test('a whole wantlist that did not arrive has changed nothing of what it was to say once more', () => {
  const outbox = new Outbox(false)
  const wait = limits.cancelWaitMs.value
  for (const index of [1, 2]) outbox.want(key(index), entry(index, 'have', false))
  outbox.want(key(3), entry(3, 'block', true))
  say(outbox)
  outbox.denied(key(3))
  for (const index of [1, 2]) outbox.cancel(key(index), 0)
  assert.deepEqual(outbox.assemble(orders, wait)?.message.wantlist, [entry(3, 'have', false)])
  outbox.failed(wait)
  const retryAt = wait + limits.messageRetryFirstMs.value
  outbox.cancel(key(3), retryAt)
  assert.deepEqual(say(outbox, retryAt), ['cancel 1', 'cancel 2'])
  assert.equal(outbox.deadline, retryAt + limits.deniedCancelWaitMs.value, 'the peer holds a want-block yet')
})

test('nor of how long the cancel of a denied want-block waits that came while it was on its way', () => {
  const outbox = new Outbox(false)
  const wait = limits.cancelWaitMs.value
  for (const index of [1, 2]) outbox.want(key(index), entry(index, 'have', false))
  outbox.want(key(3), entry(3, 'block', true))
  say(outbox)
  outbox.denied(key(3))
  for (const index of [1, 2]) outbox.cancel(key(index), 0)
  assert.equal(outbox.assemble(orders, wait)?.message.full, true)
  outbox.cancel(key(3), wait)
  outbox.failed(wait + 10)
  assert.deepEqual(say(outbox, wait + 10 + limits.messageRetryFirstMs.value), ['cancel 1', 'cancel 2'])
  assert.equal(outbox.deadline, wait + 10 + limits.deniedCancelWaitMs.value)
})

test('what may be about to be answered is not said once more', () => {
  const wait = limits.cancelWaitMs.value
  const saidAt = (at: number) => {
    const outbox = new Outbox(false)
    for (const index of [1, 2, 3, 4, 5]) outbox.want(key(index), entry(index, 'have', false))
    say(outbox)
    for (const index of [1, 2, 3, 4]) outbox.cancel(key(index), 0)
    outbox.want(key(6), entry(6, 'have', false))
    assert.deepEqual(say(outbox, at), ['have 6'])
    return say(outbox, wait)
  }
  assert.deepEqual(saidAt(wait - limits.repeatAfterMs.value), ['have 5', 'have 6'])
  assert.deepEqual(saidAt(wait - 100), ['cancel 1', 'cancel 2', 'cancel 3', 'cancel 4'])
})

test('nothing is said twice that would be answered twice, nor where that is not much less than the cancels', () => {
  const wait = limits.cancelWaitMs.value
  const open = [entry(9, 'block', true), entry(9, 'have', true), entry(9, 'have', false)]
  const cancelled = [3, 3, 1]
  for (const [at, want] of open.entries()) {
    const outbox = new Outbox(false)
    const others = [1, 2, 3].slice(0, cancelled[at])
    for (const index of others) outbox.want(key(index), entry(index, 'have'))
    outbox.want(key(9), want)
    say(outbox)
    for (const index of others) outbox.cancel(key(index), 0)
    assert.deepEqual(
      say(outbox, wait),
      others.map((index) => `cancel ${index}`),
    )
  }
})

test('a want-block that the peer has denied may bring the block yet: its cancel waits less', () => {
  const outbox = new Outbox(false)
  for (const index of [1, 2]) outbox.want(key(index), entry(index, 'block'))
  say(outbox)
  outbox.denied(key(1))
  outbox.cancel(key(1), 0)
  assert.deepEqual(say(outbox), [])
  outbox.cancel(key(2), 0)
  assert.deepEqual(say(outbox), ['cancel 2'])
  assert.equal(outbox.deadline, limits.deniedCancelWaitMs.value)
  assert.deepEqual(say(outbox, limits.deniedCancelWaitMs.value), ['cancel 1'])
  outbox.want(key(3), entry(3, 'block'))
  say(outbox)
  outbox.denied(key(3))
  outbox.cancel(key(3), 0)
  outbox.want(key(4), entry(4, 'have'))
  assert.deepEqual(say(outbox), ['have 4'], 'a whole wantlist')
})

test('a want that follows its own cancel is told after it: the peer would not answer twice', () => {
  const outbox = new Outbox(false)
  outbox.want(key(1), entry(1, 'have'))
  say(outbox)
  outbox.cancel(key(1), 0)
  assert.equal(outbox.want(key(1), entry(1, 'have')), true)
  assert.deepEqual(say(outbox), ['cancel 1'])
  assert.deepEqual(say(outbox), ['have 1'])
  assert.deepEqual(say(outbox, limits.cancelWaitMs.value), [])
})

test('cancels do not wait where places for wants are getting scarce', () => {
  const outbox = new Outbox(false)
  for (let index = 0; index < limits.wantsPerPeerMax.value / 2; index++) outbox.want(key(index), entry(index, 'have'))
  say(outbox)
  outbox.cancel(key(7), 0)
  assert.deepEqual(say(outbox), ['cancel 7'])
  outbox.cancel(key(8), 0)
  assert.deepEqual(say(outbox), [])
})

test('a peer that sent the block is not told to cancel, even if the message that asked was still on its way and fails', () => {
  const outbox = new Outbox(false)
  outbox.want(key(1), entry(1, 'have'))
  say(outbox)
  outbox.want(key(1), entry(1, 'block'))
  outbox.assemble(orders, 0)
  assert.equal(outbox.settled(key(1)), true)
  outbox.failed(0)
  outbox.cancel(key(1), 0)
  assert.deepEqual(say(outbox, 10_000), [])
})

test('after a failed message wants are untold, cancels still due are kept, and the rest grows', () => {
  const outbox = new Outbox(false)
  outbox.want(key(1), entry(1, 'block'))
  outbox.want(key(2), entry(2, 'have'))
  say(outbox)
  outbox.cancel(key(1), 0)
  outbox.want(key(2), entry(2, 'block'))
  outbox.want(key(3), entry(3, 'have'))
  outbox.assemble(orders, 0)
  outbox.cancel(key(3), 0)
  outbox.failed(0)
  assert.equal(outbox.deadline, limits.messageRetryFirstMs.value)
  assert.equal(outbox.assemble(orders, limits.messageRetryFirstMs.value - 1), undefined)
  outbox.cancel(key(2), 0)
  assert.ok(outbox.assemble(orders, limits.messageRetryFirstMs.value) !== undefined)
  assert.deepEqual(
    outbox.flight?.message.wantlist.map(({ cid, cancel }) => [cid[1], cancel]),
    [[1, true]],
    'that of the second waits: the peer knows it as a want-have',
  )
  outbox.failed(1_000)
  assert.equal(outbox.deadline, 1_000 + 2 * limits.messageRetryFirstMs.value)
})

test('a peer holds no more of our wants than it accepts', () => {
  const outbox = new Outbox(false)
  for (let index = 0; index < limits.wantsPerPeerMax.value; index++) outbox.want(key(index), entry(index, 'have'))
  assert.equal(outbox.hasRoom, false)
  assert.equal(outbox.canTake(key(5)), false, 'not told yet')
  say(outbox)
  assert.equal(outbox.hasRoom, false)
  assert.equal(outbox.canTake(key(5)), true, 'more may be said of what it holds')
  outbox.settled(key(5))
  assert.equal(outbox.hasRoom, true)
})

test('answers keep to the size of a message; a larger block goes alone', () => {
  const outbox = new Outbox(false)
  const block = (index: number, size: number) => outbox.block({ cid: key(index), bytes: new Uint8Array(size) })
  block(1, 1_500_000)
  block(2, 1_500_000)
  block(3, limits.bitswapMessageBytesMax.value)
  block(4, 100)
  outbox.present({ cid: key(5), type: 'dont-have' })
  const said: [number, number, number][] = []
  for (let flight = outbox.assemble(orders, 0); flight !== undefined; flight = outbox.assemble(orders, 0)) {
    said.push([flight.message.blocks.length, flight.message.presences.length, flight.message.pendingBytes])
    outbox.sent()
  }
  const large = limits.bitswapMessageBytesMax.value
  assert.deepEqual(said, [
    [1, 1, 1_500_100 + large],
    [1, 0, large + 100],
    [1, 0, 100],
    [1, 0, 0],
  ])
})

test('blocks go in portions that a slow peer takes in time', () => {
  const outbox = new Outbox(false)
  for (let index = 1; index <= 5; index++) outbox.block({ cid: key(index), bytes: new Uint8Array(200_000) })
  const portions: number[] = []
  for (let flight = outbox.assemble(orders, 0); flight !== undefined; flight = outbox.assemble(orders, 0)) {
    portions.push(flight.message.blocks.length)
    outbox.sent()
  }
  assert.deepEqual(portions, [2, 2, 1])
})

test('an outbox that starts over says so until a message has left', () => {
  const outbox = new Outbox(true)
  outbox.want(key(1), entry(1, 'have'))
  assert.equal(outbox.assemble(orders, 0)?.message.full, true)
  outbox.failed(0)
  outbox.want(key(1), entry(1, 'have'))
  assert.equal(outbox.assemble(orders, 1_000)?.message.full, true)
  outbox.sent()
  outbox.want(key(2), entry(2, 'have'))
  assert.equal(outbox.assemble(orders, 1_000)?.message.full, false)
})

test('a want-block long after the HAVE begins anew: Helia forgets a want five seconds after its HAVE, and what came meanwhile with it', () => {
  const soon = new Outbox(false)
  soon.want(key(1), entry(1, 'have'))
  say(soon, 0)
  soon.want(key(1), entry(1, 'block'))
  assert.deepEqual(say(soon, limits.haveRenewMs.value - 1), ['block 1'])
  const late = new Outbox(false)
  late.want(key(1), entry(1, 'have'))
  say(late, 0)
  late.want(key(1), entry(1, 'block'))
  assert.deepEqual(say(late, limits.haveRenewMs.value), ['cancel 1'])
  assert.deepEqual(say(late, limits.haveRenewMs.value), ['block 1'], 'in a message of its own')
  assert.deepEqual(say(late, limits.haveRenewMs.value), [])
})
