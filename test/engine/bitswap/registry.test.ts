import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Hearing, Registry, type Sign } from '../../../worker/engine/bitswap/registry.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { PeerCache, type Peer, type PeerIdBytes } from '../../../worker/engine/peer.ts'
import { Rng } from '../../../worker/engine/rng.ts'

const peers = new PeerCache()
const hour = 3_600_000

function peer(number: number): Peer {
  return peers.intern(new Uint8Array([0x12, 0x20, ...new Uint8Array(31), number]) as PeerIdBytes)
}

function key(number: number): Uint8Array {
  return new Uint8Array([0x12, 0x20, ...new Uint8Array(30), number >> 8, number & 255])
}

function wanters(registry: Registry, of: number, now: number): number[] {
  return registry.candidates(key(of), now).map((sign) => sign.peer.id.at(-1)!)
}

test('the latest wanters come first, and who cancelled or was served before those', () => {
  const registry = new Registry()
  for (const number of [1, 2, 3, 4]) registry.wanted(key(1), peer(number), undefined, new Hearing(), number)
  assert.deepEqual(wanters(registry, 1, 5), [4, 3, 2, 1])
  registry.cancelled(key(1), peer(2), 6)
  registry.served(key(1), peer(1), undefined, 7)
  assert.deepEqual(wanters(registry, 1, 8), [1, 2, 4, 3])
})

test('a cancel of what was never wanted says nothing', () => {
  const registry = new Registry()
  registry.cancelled(key(1), peer(1), 0)
  assert.deepEqual([registry.size, wanters(registry, 1, 0)], [0, []])
})

test('one CID keeps its eight latest wanters, and all CIDs together the bound: the one heard of longest ago goes', () => {
  const registry = new Registry()
  for (let number = 0; number < 20; number++) registry.wanted(key(1), peer(number), undefined, new Hearing(), number)
  assert.deepEqual(wanters(registry, 1, 20), [19, 18, 17, 16, 15, 14, 13, 12])
  const heard = new Map<number, Hearing>()
  for (let cid = 2; cid <= limits.registryCidsMax.value + 1; cid++) {
    const who = cid >> 9
    if (!heard.has(who)) heard.set(who, new Hearing())
    registry.wanted(key(cid), peer(who), undefined, heard.get(who)!, 30)
  }
  assert.equal(registry.size, limits.registryCidsMax.value)
  assert.deepEqual(wanters(registry, 1, 31), [], 'the first CID has gone')
  assert.equal(wanters(registry, 2, 31).length, 1)
})

test('a peer that floods us with wants is listened to for one wantlist, then for a few a second', () => {
  const registry = new Registry()
  registry.wanted(key(60_000), peer(2), undefined, new Hearing(), 0)
  const hearing = new Hearing()
  for (let cid = 0; cid < 50_000; cid++) registry.wanted(key(cid), peer(1), undefined, hearing, 0)
  assert.equal(registry.size, 1 + limits.registryBurst.value)
  assert.deepEqual(wanters(registry, 60_000, 0), [2], 'what others said is still there')
  for (let cid = 0; cid < 5_000; cid++) registry.wanted(key(10_000 + cid), peer(1), undefined, hearing, 1_000)
  assert.equal(registry.size, 1 + limits.registryBurst.value + limits.registryPerSecond.value)
})

test('a sign older than peers keep blocks is forgotten', () => {
  const registry = new Registry()
  registry.wanted(key(1), peer(1), undefined, new Hearing(), 0)
  assert.deepEqual(wanters(registry, 1, registry.cacheTimeMs), [1])
  assert.deepEqual(wanters(registry, 1, registry.cacheTimeMs + 1), [])
  assert.equal(registry.size, 0)
})

test('what nobody has spoken of for a day is forgotten when something else is heard, without being asked for', () => {
  const registry = new Registry()
  const day = limits.registryCacheTimeMaxMs.value
  registry.wanted(key(1), peer(1), undefined, new Hearing(), 0)
  registry.wanted(key(2), peer(1), undefined, new Hearing(), 1)
  registry.served(key(1), peer(2), undefined, 2)
  registry.wanted(key(3), peer(1), undefined, new Hearing(), day + 1)
  assert.equal(registry.size, 3)
  registry.wanted(key(3), peer(2), undefined, new Hearing(), day + 2)
  assert.deepEqual(
    [...registry.entries()].map(([of]) => of.at(-1)),
    [1, 3],
  )
  registry.wanted(key(3), peer(2), undefined, new Hearing(), day + 3)
  assert.equal(registry.size, 1)
})

/** Peers that keep a block for `keptMs`; wants come at random ages. Returns what the registry has learned. */
function learned(keptMs: number): number {
  const registry = new Registry()
  const rng = new Rng(7)
  let now = 0
  for (let round = 0; round < 3_000; round++) {
    now += 1_000
    registry.served(key(round), peer(1), undefined, now)
    const age = rng.below(4 * hour)
    const [sign] = registry.candidates(key(round), now + age)
    if (sign !== undefined) registry.judged(key(round), sign, age < keptMs, now + age)
  }
  return registry.cacheTimeMs
}

test('how long peers keep a block is learned from hits and misses, within a factor of two', () => {
  for (const keptMs of [10 * 60_000, 30 * 60_000, 2 * hour]) {
    const found = learned(keptMs)
    assert.ok(found > keptMs / 2 && found < keptMs * 2, `kept ${keptMs}, learned ${found}`)
  }
})

test('n: fewer when signs are right, when blocks take long to transfer, when few are connected; none when signs are wrong', () => {
  const registry = new Registry()
  const weak: Sign = { peer: peer(1), info: undefined, grade: 'weak', at: 0 }
  const strong: Sign = { ...weak, grade: 'strong' }
  const cheap = { connected: 100, roundTripMs: 200, transferMs: 10 }
  assert.equal(registry.guessCount(weak, cheap), 4)
  assert.equal(registry.guessCount(strong, cheap), 3)
  assert.equal(registry.guessCount(weak, { ...cheap, transferMs: 40 }), 3)
  assert.equal(registry.guessCount(weak, { ...cheap, transferMs: 60 }), 2)
  assert.equal(registry.guessCount(weak, { ...cheap, transferMs: 120 }), 1)
  assert.equal(registry.guessCount(weak, { ...cheap, roundTripMs: 20 }), 1, 'a duplicate costs more than what it may save')
  assert.equal(registry.guessCount(weak, { ...cheap, connected: 8 }), 2)
  assert.equal(registry.guessCount(weak, { ...cheap, connected: 1 }), 1)
  for (let hit = 0; hit < 30; hit++) registry.judged(key(1), strong, true, 0)
  assert.equal(registry.guessCount(strong, cheap), 1, 'signs that are right need no second')
  for (let miss = 0; miss < 40; miss++) registry.judged(key(2), weak, false, 0)
  const counts = Array.from({ length: 16 }, () => registry.guessCount(weak, cheap))
  assert.equal(
    counts.reduce((a, b) => a + b),
    2,
    'a trial now and then',
  )
})

test('a peer that had nothing is not guessed at again until it wants the block once more', () => {
  const registry = new Registry()
  registry.wanted(key(1), peer(1), undefined, new Hearing(), 0)
  registry.judged(key(1), registry.candidates(key(1), 1)[0]!, false, 1)
  assert.deepEqual(wanters(registry, 1, 2), [])
  registry.wanted(key(1), peer(1), undefined, new Hearing(), 3)
  assert.deepEqual(wanters(registry, 1, 4), [1])
})

test('of a peer that the disk names twice for a CID one sign counts: it is asked once', () => {
  const registry = new Registry()
  const sign = (number: number, grade: Sign['grade']): Sign => ({ peer: peer(number), info: undefined, grade, at: 0 })
  registry.restore(key(1), [sign(1, 'strong'), sign(1, 'weak'), sign(2, 'weak'), sign(1, 'strong')])
  assert.deepEqual(wanters(registry, 1, 1), [1, 2])
})
