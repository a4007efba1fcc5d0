import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CandidateList } from '../../../worker/engine/kad/candidates.ts'
import { comparePeersTo } from '../../../worker/engine/kad/distance.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { type PeerIdBytes, keyFromDigest } from '../../../worker/engine/peer.ts'
import { key8, peer8 } from '../../support/kad-peers.ts'

const peerOf = (number: number) => {
  const id = Uint8Array.of(number >> 8, number & 0xff) as PeerIdBytes
  return { id, key: keyFromDigest(id) }
}

test('the list is ordered by distance, whatever the order in which peers come', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(0xffff), { maxLength: 200 }), fc.nat(0xff), (numbers, bits) => {
      const target = key8(bits)
      const list = new CandidateList(target)
      for (const number of numbers) list.add(peerOf(number), [], { type: 'heard' })
      const expected = numbers.map(peerOf).sort((a, b) => comparePeersTo(target, a, b))
      assert.deepEqual(
        list.nearestFirst().map(({ peer }) => peer),
        expected,
      )
    }),
  )
})

test('of too many that were heard of, the nearest are kept', () => {
  const max = limits.lookupHeardMax.value
  const list = new CandidateList(key8(0))
  for (let number = 2 * max; number > 0; number--) list.add(peerOf(number), [], { type: 'heard' })
  assert.equal(list.size, max)
  assert.equal(list.add(peerOf(max + 1), [], { type: 'heard' }), undefined)
  assert.equal(list.get(peerOf(max + 1)), undefined)
  assert.deepEqual(list.nearestFirst().at(-1)?.peer, peerOf(max))
})

test('undialable inventions displace nobody who can be asked', () => {
  const list = new CandidateList(key8(0))
  for (let bits = 0x80; bits < 0xa0; bits++) list.add(peer8(bits), [], { type: 'heard' })
  for (let number = 0; number < 5_000; number++) list.add(peerOf(number), [], { type: 'undialable' })
  assert.equal(list.size, 0x20 + limits.lookupUndialableMax.value)
  assert.equal(list.nearestFirst().filter(({ state }) => state.type === 'heard').length, 0x20)
})

test('peers with a history are not evicted', () => {
  const list = new CandidateList(key8(0))
  list.add(peer8(0xff), [], { type: 'heard' })
  list.setState(list.get(peer8(0xff))!, { type: 'responded', rttMs: 1 })
  for (let number = 1; number < 1_000; number++) list.add(peerOf(number), [], { type: 'heard' })
  assert.equal(list.get(peer8(0xff))?.state.type, 'responded')
  assert.equal(list.size, limits.lookupHeardMax.value + 1)
})
