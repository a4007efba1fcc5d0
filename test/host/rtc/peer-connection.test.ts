import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../worker/engine/limits.ts'
import type { RtcPeerConnection } from '../../../worker/host/rtc/peer-connection.ts'
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

/** A connection that expects so many messages, its real one, and the numbers on which libp2p was told of a channel. */
async function expecting(count: number): Promise<{
  connection: RtcPeerConnection
  real: FakeConnection
  told: (number | null)[]
  ready: () => FakeChannel[]
  settled: () => Promise<void>
}> {
  const { Shim, settled } = rtcPair()
  const connection = new Shim()
  const told: (number | null)[] = []
  connection.ondatachannel = ({ channel }) => told.push(channel.id)
  await settled()
  const real = FakeConnection.made[0]!
  real.becomes('connected')
  await settled()
  connection.expectMessages(count)
  await settled()
  // The first is the one that hears a hang-up.
  const ready = (): FakeChannel[] => real.channels.slice(1)
  return { connection, real, told, ready, settled }
}

test('channels for the messages that are expected of a server are there before it speaks, and are its own once it does', async () => {
  const { connection, told, ready } = await expecting(3)
  assert.deepEqual(
    ready().map(({ init }) => init),
    [1, 3, 5].map((id) => ({ negotiated: true, id })),
  )
  const heard: unknown[] = []
  connection.ondatachannel = ({ channel }) => {
    told.push(channel.id)
    channel.onmessage = ({ data }) => heard.push(data)
  }
  for (const channel of ready()) channel.open()
  ready()[1]?.onmessage?.({ data: 'first' })
  ready()[1]?.onmessage?.({ data: 'second' })
  ready()[0]?.onmessage?.({ data: 'another' })
  await Promise.resolve()
  assert.deepEqual(
    [told, heard],
    [
      [3, 1],
      ['first', 'second', 'another'],
    ],
  )
})

test('channels are made under numbers that the server has not used yet, whichever way its channels came', async () => {
  const { connection, real, told, ready, settled } = await expecting(2)
  real.ondatachannel?.({ channel: new FakeChannel('', undefined, 9) })
  await settled()
  ready()[0]?.onmessage?.({ data: 'late' })
  connection.expectMessages(3)
  await settled()
  assert.deepEqual(told, [9, 1])
  assert.deepEqual(
    ready().map(({ id }) => id),
    [1, 3, 11, 13],
  )
})

test('a number that the server was faster to use costs nothing: its channel comes by the page', async () => {
  const { connection, real, told, ready, settled } = await expecting(0)
  real.channelRefusal = new DOMException('It is in use.', 'OperationError')
  connection.expectMessages(1)
  await settled()
  real.channelRefusal = undefined
  real.ondatachannel?.({ channel: new FakeChannel('', undefined, 1) })
  await settled()
  connection.expectMessages(1)
  await settled()
  assert.deepEqual([connection.connectionState, told], ['connected', [1]])
  assert.deepEqual(
    ready().map(({ id }) => id),
    [3],
  )
})

test('of channels made beforehand there are only so many, and those that were passed over are closed', async () => {
  const { connection, real, ready, settled } = await expecting(2 * limits.rtcReadyChannelsMax.value)
  assert.equal(ready().length, limits.rtcReadyChannelsMax.value)
  const far = 4 * limits.rtcReadyChannelsMax.value + 1
  real.ondatachannel?.({ channel: new FakeChannel('', undefined, far) })
  await settled()
  assert.deepEqual(new Set(ready().map(({ readyState }) => readyState)), new Set(['closing']))
  connection.expectMessages(1)
  await settled()
  assert.equal(ready().at(-1)?.id, far + 2)
})

test('no channel is made beforehand on a connection that is not there any more', async () => {
  const { connection, ready, settled } = await expecting(0)
  connection.close()
  connection.expectMessages(5)
  await settled()
  assert.deepEqual(ready(), [])
})
