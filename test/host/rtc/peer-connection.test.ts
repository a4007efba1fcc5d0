import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../worker/engine/limits.ts'
import { FakeChannel, FakeConnection, rtcPair } from '../../support/fake-rtc.ts'

test('a connection whose channels do not close, or that has no numbers left, fails before nothing can come over it', async () => {
  const { Shim, settled } = rtcPair()
  const [full, counted] = [new Shim(), new Shim()]
  await settled()
  const [one, other] = FakeConnection.made
  const open = async (real: FakeConnection | undefined, id: number): Promise<void> => {
    real?.ondatachannel?.({ channel: new FakeChannel('', undefined, id) })
    await settled()
  }
  for (let index = 0; index < limits.rtcChannelsMax.value; index++) one?.ondatachannel?.({ channel: new FakeChannel('') })
  await open(other, limits.rtcChannelNumberMax.value - 1)
  assert.deepEqual([full.connectionState, counted.connectionState], ['new', 'new'])
  await open(one, 9)
  await open(other, limits.rtcChannelNumberMax.value)
  assert.deepEqual([full.connectionState, counted.connectionState], ['failed', 'failed'])
})
