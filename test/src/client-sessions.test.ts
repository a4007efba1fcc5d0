import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf, signalled, startHarness } from '../support/client-harness.ts'
import { peerText, untilAborted } from '../support/fake-service.ts'

const cid = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'

test('a session belongs to its client and is of no use once closed', async (t) => {
  const [{ client }, other] = [await startHarness(t), await startHarness(t)]
  const session = await client.createSession()
  assert.equal(await codeOf(other.client.getBlock(cid, { session })), 'invalid-argument')
  await session[Symbol.asyncDispose]()
  await session.close()
  assert.equal(await codeOf(session.getBlock(cid)), 'invalid-argument')
})

test('a session whose caller has given up while it was opened is closed in the Worker', async (t) => {
  const [opening, closed] = [signalled(), signalled()]
  const answer = Promise.withResolvers<number>()
  const { client } = await startHarness(t, {
    openSession: () => {
      opening.reach()
      return answer.promise
    },
    closeSession: async (session) => {
      assert.equal(session, 11)
      closed.reach()
    },
  })
  const controller = new AbortController()
  const pending = client.createSession({ signal: controller.signal })
  await opening.reached
  controller.abort()
  assert.equal(await codeOf(pending), 'aborted')
  await client.status()
  answer.resolve(11)
  await closed.reached
})

test('a session whose caller gives up while the answer is on its way is closed in the Worker, once', async (t) => {
  const controller = new AbortController()
  const { client, service } = await startHarness(t, {
    openSession: async () => {
      // The page's word of it comes to the Worker when the call has ended there.
      controller.abort()
      return 11
    },
  })
  assert.equal(await codeOf(client.createSession({ signal: controller.signal })), 'aborted')
  await client.status()
  await client.status()
  const closed = service.seen.filter(({ method }) => method === 'closeSession')
  assert.deepEqual(
    closed.map(({ args }) => args),
    [[11]],
  )
})

test('a session is closed in the Worker however many calls are under way', async (t) => {
  const { client, service } = await startHarness(t, { findPeer: (_id, context) => untilAborted(context) }, {}, { callsMax: 1 })
  const session = await client.createSession()
  const pending = codeOf(client.findPeer(peerText))
  await session.close()
  assert.deepEqual(service.seen.at(-1), { method: 'closeSession', args: [4] })
  await client.stop()
  assert.equal(await pending, 'stopped')
})
