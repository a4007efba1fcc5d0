import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EngineEvent } from '../../worker/engine/contract.ts'
import { type Key, keyOf } from '../../worker/engine/peer.ts'
import type { ProvidedKey } from '../../worker/engine/provide/contract.ts'
import { Providing } from '../../worker/host/providing.ts'
import { MemoryKeyTable } from '../../worker/host/store/key-table.ts'

function key(number: number, bytes = 34): ProvidedKey {
  const multihash = new Uint8Array(bytes).fill(number)
  return { key: keyOf(multihash), multihash }
}

test('a stored row that servers refuse goes when it is loaded, and the page is full all the same (P17)', async () => {
  const keys = new MemoryKeyTable()
  await keys.admit([...[1, 2, 3, 4].map((number) => key(number)), key(5, 81), key(6, 81), key(7, 80)], 1)
  const loaded = Promise.withResolvers<readonly ProvidedKey[]>()
  const events: EngineEvent[] = []
  const providing = new Providing({
    keys,
    dispatch: (event) => {
      events.push(event)
      if (event.type === 'keys-loaded') loaded.resolve(event.keys)
    },
    status: () => assert.fail('nobody asked'),
    onEvent: () => {},
    mayProvide: true,
  })
  const [from, to] = [new Uint32Array(8) as Key, new Uint32Array(8).fill(0xffffffff) as Key]
  providing.perform({ type: 'load-keys', order: 1 as never, source: 'provided', from, to, limit: 5 })
  const found = (await loaded.promise).map(({ multihash }) => multihash[0]!)
  assert.deepEqual(
    found.sort((a, b) => a - b),
    [1, 2, 3, 4, 7],
  )
  const left = (await keys.cells()).reduce((sum, cell) => sum + cell.provided, 0)
  assert.equal(left, 5)
  assert.ok(events.some(({ type }) => type === 'provide-cells'))
})
