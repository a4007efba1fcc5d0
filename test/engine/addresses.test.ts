import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasDialable, mergeAddresses } from '../../worker/engine/addresses.ts'
import { limits } from '../../worker/engine/limits.ts'
import type { Address } from '../../worker/engine/peer.ts'

const address = (byte: number, dialable = true): Address => ({ bytes: Uint8Array.of(byte), dialable })

test('each address is kept once, and nothing new gives the known list itself', () => {
  const known = [address(1), address(2)]
  assert.equal(mergeAddresses(known, [address(2), address(1)]), known)
  assert.deepEqual(mergeAddresses(known, [address(3), address(3)]), [address(1), address(2), address(3)])
})

test('a long list is cut, and undialable addresses crowd no dialable one out', () => {
  const max = limits.addressesPerPeerMax.value
  const junk = Array.from({ length: 100 }, (_, index) => address(index, false))
  const merged = mergeAddresses(junk, [address(200)])
  assert.equal(merged.length, max)
  assert.deepEqual(merged[0], address(200))
  const full = mergeAddresses([], junk)
  assert.equal(mergeAddresses(full, [address(150, false)]), full)
})

test('a list is dialable when one of its addresses is', () => {
  assert.equal(hasDialable([]), false)
  assert.equal(hasDialable([address(1, false)]), false)
  assert.equal(hasDialable([address(1, false), address(2)]), true)
})
