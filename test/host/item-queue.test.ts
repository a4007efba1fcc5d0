import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ItemQueue } from '../../worker/host/item-queue.ts'

function queue(): { items: ItemQueue<number>; returns: () => number } {
  let returns = 0
  const items = new ItemQueue<number>(() => returns++)
  return { items, returns: () => returns }
}

test('items come out in order, whether the reader or the writer is first', async () => {
  const { items } = queue()
  items.push(1)
  assert.deepEqual(await items.next(), { value: 1, done: false })
  const waiting = items.next()
  items.push(2)
  items.push(3)
  assert.deepEqual(await waiting, { value: 2, done: false })
  assert.deepEqual(await items.next(), { value: 3, done: false })
})

test('what was written before the end is still read', async () => {
  const { items, returns } = queue()
  items.push(1)
  items.end()
  items.push(2)
  const read: number[] = []
  for await (const item of items) read.push(item)
  assert.deepEqual(read, [1])
  assert.equal(returns(), 0)
})

test('a failure is thrown once, after the items before it', async () => {
  const { items } = queue()
  items.push(1)
  items.fail(new Error('broken'))
  assert.equal((await items.next()).value, 1)
  await assert.rejects(items.next(), /broken/)
  assert.equal((await items.next()).done, true)
})

test('a reader that waits is told of the end and of a failure', async () => {
  const ended = queue().items
  const waiting = ended.next()
  ended.end()
  assert.equal((await waiting).done, true)
  const failed = queue().items
  const refused = failed.next()
  failed.fail(new Error('broken'))
  await assert.rejects(refused, /broken/)
  assert.equal((await failed.next()).done, true)
})

test('leaving early tells the writer once, and what it still writes goes nowhere', async () => {
  const { items, returns } = queue()
  items.push(1)
  items.push(2)
  for await (const item of items) {
    assert.equal(item, 1)
    break
  }
  items.push(3)
  items.fail(new Error('aborted'))
  assert.equal((await items.next()).done, true)
  await items.return()
  assert.equal(returns(), 1)
})
