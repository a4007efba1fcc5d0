import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf, signalled, startHarness } from '../support/client-harness.ts'

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
