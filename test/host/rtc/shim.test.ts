import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rtcCertificatesMax } from '../../../worker/contract/limits.ts'
import { limits } from '../../../worker/engine/limits.ts'
import type { RtcChannel } from '../../../worker/host/rtc/data-channel.ts'
import { FakeChannel, FakeConnection, rtcPair } from '../../support/fake-rtc.ts'

/** Names of the events that a target tells, as they come. */
function note(target: EventTarget, ...types: string[]): string[] {
  const noted: string[] = []
  for (const type of types) target.addEventListener(type, () => noted.push(type))
  return noted
}

test('what libp2p says reaches the real connection, and its state is there when the promise resolves', async () => {
  const { Shim } = rtcPair()
  const connection = new Shim({ iceServers: [{ urls: 'stun:stun.example' }] })
  const offer = await connection.createOffer()
  assert.deepEqual(offer, { type: 'offer', sdp: 'an offer' })
  await connection.setLocalDescription({ ...offer, sdp: 'with another ufrag' })
  assert.equal(connection.localDescription?.sdp, 'with another ufrag')
  await connection.setRemoteDescription({ type: 'answer', sdp: 'theirs' })
  await connection.addIceCandidate({ candidate: 'udp 1' })
  const [real] = FakeConnection.made
  assert.deepEqual(real?.configuration, { iceServers: [{ urls: 'stun:stun.example' }], certificates: [] })
  assert.deepEqual(real?.heard, [{ type: 'answer', sdp: 'theirs' }, { candidate: 'udp 1' }])
  assert.deepEqual(await connection.createAnswer(), { type: 'answer', sdp: 'an answer' })
})

test('what the browser refuses rejects with its name and its words', async () => {
  const { Shim } = rtcPair()
  const connection = new Shim()
  const refused = connection.setRemoteDescription({ type: 'answer', sdp: 'nonsense' })
  await assert.rejects(refused, { name: 'OperationError', message: 'Cannot parse it.' })
})

test('a certificate stays on the page, and the connection that names it has the real one', async () => {
  const { Shim, settled } = rtcPair()
  const certificate = await Shim.generateCertificate({ name: 'ECDSA', namedCurve: 'P-256' })
  new Shim({ certificates: [certificate] })
  await settled()
  const { configuration } = FakeConnection.made[0] as { configuration: { certificates?: unknown[] } }
  assert.deepEqual(configuration.certificates, [{ certificate: FakeConnection.certificates }])
})

test('of certificates that nobody used the oldest is forgotten, and its connection fails', async () => {
  const { Shim, settled } = rtcPair()
  const oldest = await Shim.generateCertificate({})
  for (let index = 0; index < rtcCertificatesMax; index++) await Shim.generateCertificate({})
  const connection = new Shim({ certificates: [oldest] })
  await settled()
  assert.equal(connection.connectionState, 'failed')
})

test('states are told in their order, each with the state that it is about', async () => {
  const { Shim, settled } = rtcPair()
  const connection = new Shim()
  const seen: string[] = []
  connection.addEventListener('connectionstatechange', () => seen.push(`listener ${connection.connectionState}`))
  connection.onconnectionstatechange = () => seen.push(`handler ${connection.connectionState}`)
  await settled()
  FakeConnection.made[0]?.becomes('connecting')
  FakeConnection.made[0]?.becomes('connected')
  await settled()
  assert.deepEqual(seen, ['listener connecting', 'handler connecting', 'listener connected', 'handler connected'])
})

test('candidates come with what libp2p reads of them, and their end as null', async () => {
  const { Shim, settled } = rtcPair()
  const connection = new Shim()
  const seen: unknown[] = []
  connection.onicecandidate = ({ candidate }) => seen.push(candidate === null ? null : [candidate.candidate, candidate.toJSON()])
  await settled()
  const init = { candidate: 'udp 2', sdpMid: '0' }
  FakeConnection.made[0]?.onicecandidate?.({ candidate: { toJSON: () => init } })
  FakeConnection.made[0]?.onicecandidate?.({ candidate: null })
  await settled()
  assert.deepEqual(seen, [['udp 2', init], null])
})

test('a channel is there at once, waits for the real one, and is it from then on', async () => {
  const { Shim, transferred, settled } = rtcPair()
  const connection = new Shim()
  const channel = connection.createDataChannel('', { negotiated: true, id: 0 })
  assert.deepEqual([channel.readyState, channel.id, channel.bufferedAmount], ['connecting', 0, 0])
  assert.throws(() => channel.send(new ArrayBuffer(1)), { name: 'InvalidStateError' })
  channel.binaryType = 'arraybuffer'
  channel.bufferedAmountLowThreshold = 5
  const received: unknown[] = []
  channel.onmessage = ({ data }) => received.push(data)
  const events = note(channel, 'open', 'bufferedamountlow', 'close')
  await settled()
  const real = transferred[0] as FakeChannel
  assert.equal(real, FakeConnection.made[0]?.channels[0], 'the very channel was transferred')
  assert.deepEqual([real.binaryType, real.bufferedAmountLowThreshold], ['arraybuffer', 5])
  real.open()
  real.onmessage?.({ data: 'first' })
  real.bufferedAmount = 9
  channel.send(new ArrayBuffer(3))
  assert.deepEqual([channel.readyState, channel.bufferedAmount, real.sent.length, received], ['open', 9, 1, ['first']])
  channel.onmessage = null
  real.onmessage?.({ data: 'nobody listens' })
  real.onbufferedamountlow?.()
  channel.close()
  assert.equal(channel.readyState, 'closing')
  real.closed()
  assert.deepEqual([channel.readyState, events, received], ['closed', ['open', 'bufferedamountlow', 'close'], ['first']])
})

test('a channel is transferred in the task that makes it or receives it', async () => {
  const { Shim, transferred, settled } = rtcPair()
  new Shim()
  await settled()
  const [real] = FakeConnection.made
  real?.ondatachannel?.({ channel: new FakeChannel('theirs') })
  assert.equal(transferred.length, 1)
})

test('a channel of the other side loses nothing when handlers are attached in the event', async () => {
  const { Shim, settled } = rtcPair()
  const connection = new Shim()
  const received: unknown[] = []
  const channels: RtcChannel[] = []
  connection.ondatachannel = ({ channel }) => {
    channels.push(channel)
    channel.onmessage = ({ data }) => received.push(data)
  }
  await settled()
  const theirs = new FakeChannel('theirs')
  theirs.open()
  FakeConnection.made[0]?.ondatachannel?.({ channel: theirs })
  await settled()
  theirs.onmessage?.({ data: 'early' })
  assert.deepEqual([channels[0]?.label, channels[0]?.readyState, received], ['theirs', 'open', ['early']])
})

test('what the other side says before libp2p has taken the channel waits for it, in its order', async () => {
  const { Shim, settled } = rtcPair()
  const channel = new Shim().createDataChannel('', { negotiated: true, id: 0 })
  await settled()
  const [real] = FakeConnection.made[0]?.channels ?? []
  real?.open()
  real?.onmessage?.({ data: 1 })
  real?.onmessage?.({ data: 2 })
  const heard: unknown[] = []
  channel.onmessage = ({ data }) => heard.push(data)
  real?.onmessage?.({ data: 3 })
  await settled()
  real?.onmessage?.({ data: 4 })
  assert.deepEqual(heard, [1, 2, 3, 4])
})

test('a channel that nobody takes ends when too much has been said on it', async () => {
  const { Shim, settled } = rtcPair()
  const channel = new Shim().createDataChannel('')
  await settled()
  const [real] = FakeConnection.made[0]?.channels ?? []
  const told = note(channel, 'error', 'close')
  for (let count = 0; count <= limits.rtcEarlyMessagesMax.value; count++) real?.onmessage?.({ data: count })
  assert.deepEqual([channel.readyState, told], ['closed', ['error', 'close']])
})

test('a channel that opened on its way tells so once', async () => {
  const { Shim, transferred, settled } = rtcPair()
  const channel = new Shim().createDataChannel('')
  const events = note(channel, 'open')
  await new Promise((resolve) => setImmediate(resolve))
  const real = transferred[0] as FakeChannel
  real.readyState = 'open'
  await settled()
  real.onopen?.()
  assert.deepEqual(events, ['open'])
})

test('of the channel named init, opening and closing are told again to whoever listens late', async () => {
  const { Shim, transferred, settled } = rtcPair()
  const connection = new Shim()
  const [init, other] = [connection.createDataChannel('init'), connection.createDataChannel('')]
  await settled()
  for (const real of transferred as FakeChannel[]) {
    real.open()
    real.closed()
  }
  const [late, unheard] = [note(init, 'open', 'close'), note(other, 'open', 'close')]
  await settled()
  assert.deepEqual([late, unheard], [['open', 'close'], []])
})

test('errors of a channel bring their cause along', async () => {
  const { Shim, transferred, settled } = rtcPair()
  const channel = new Shim().createDataChannel('')
  const causes: unknown[] = []
  channel.onerror = ({ error }) => causes.push(error)
  await settled()
  const cause = new Error('sctp-failure')
  ;(transferred[0] as FakeChannel).onerror?.({ error: cause })
  assert.deepEqual(causes, [cause])
})

test('when the association has ended, the connection fails at once and all its channels with it', async () => {
  const { Shim, transferred, settled } = rtcPair()
  const connection = new Shim()
  const [one, two] = [connection.createDataChannel('a'), connection.createDataChannel('b')]
  const events = note(two, 'error', 'close')
  const states = note(connection, 'connectionstatechange')
  await settled()
  for (const real of transferred as FakeChannel[]) {
    real.onerror?.({ error: Object.assign(new Error('closed'), { errorDetail: 'sctp-failure' }) })
    real.closed()
  }
  assert.deepEqual([connection.connectionState, states, one.readyState], ['failed', ['connectionstatechange'], 'closed'])
  assert.deepEqual(events, ['error', 'close'])
})

test('a connection on which libp2p has no channel open fails at once, too, when the other side hangs up', async () => {
  const { Shim, settled } = rtcPair()
  const connection = new Shim()
  const channel = connection.createDataChannel('')
  await settled()
  const [real] = FakeConnection.made
  real?.becomes('connecting')
  real?.channels[0]?.open()
  real?.becomes('connected')
  real?.becomes('disconnected')
  real?.becomes('connected')
  await settled()
  channel.close()
  real?.channels[0]?.closed()
  const states = note(connection, 'connectionstatechange')
  const left = real?.channels.filter(({ readyState }) => readyState !== 'closed') ?? []
  // Whatever is not negotiated is told to the other side, which would take it for a stream. An odd number would be one of its own.
  assert.deepEqual(
    left.map(({ init }) => init),
    [{ negotiated: true, id: 1_022 }],
  )
  left[0]?.onerror?.({ error: Object.assign(new Error('closed'), { errorDetail: 'sctp-failure' }) })
  assert.deepEqual([connection.connectionState, states], ['failed', ['connectionstatechange']])
})

test('a peer that ends its channels before it hangs up has hung up; a browser without the channel that is to tell it has not', async () => {
  const { Shim, settled } = rtcPair()
  const [connection, without] = [new Shim(), new Shim()]
  await settled()
  const [real, other] = FakeConnection.made
  if (other !== undefined) other.channelRefusal = new DOMException('No such number.', 'OperationError')
  real?.becomes('connected')
  other?.becomes('connected')
  await settled()
  real?.channels[0]?.open()
  real?.channels[0]?.closed()
  assert.deepEqual([connection.connectionState, without.connectionState], ['failed', 'connected'])
})

test('closing changes the state at once, tells no change of state, ends channels and what was asked', async () => {
  const { Shim, link, settled } = rtcPair()
  const connection = new Shim()
  const [bound, unbound] = [connection.createDataChannel('a'), connection.createDataChannel('b')]
  await settled()
  const late = connection.createDataChannel('c')
  const states = note(connection, 'connectionstatechange')
  const closes = [bound, unbound, late].map((channel) => note(channel, 'close'))
  const asked = connection.createOffer()
  connection.close()
  connection.close()
  assert.equal(connection.connectionState, 'closed')
  assert.throws(() => connection.createDataChannel('d'), { name: 'InvalidStateError' })
  await assert.rejects(asked, { name: 'InvalidStateError' })
  await assert.rejects(connection.createAnswer(), { name: 'InvalidStateError' })
  await settled()
  const [real] = FakeConnection.made
  assert.deepEqual([real?.closed, link.connections, states, closes], [true, 0, [], [['close'], ['close'], ['close']]])
  assert.deepEqual(
    [real?.onconnectionstatechange, real?.onicecandidate, real?.ondatachannel],
    [null, null, null],
    'nobody listens to it any more',
  )
})

test('a channel that arrives after its connection was closed is closed', async () => {
  const { Shim, transferred, settled } = rtcPair()
  const connection = new Shim()
  await settled()
  FakeConnection.made[0]?.ondatachannel?.({ channel: new FakeChannel('theirs') })
  connection.close()
  await settled()
  assert.equal((transferred[0] as FakeChannel).readyState, 'closing')
})

test('a channel that was closed before it arrived is closed there and told so once', async () => {
  const { Shim, transferred, settled } = rtcPair()
  const channel = new Shim().createDataChannel('')
  const events = note(channel, 'open', 'close')
  channel.close()
  assert.equal(channel.readyState, 'closing')
  await settled()
  assert.deepEqual([(transferred[0] as FakeChannel).readyState, channel.readyState, events], ['closing', 'closed', ['close']])
})

test('a connection that the browser does not make fails, with the reason for whoever asked', async () => {
  const { Shim, link, settled } = rtcPair()
  FakeConnection.refusal = new DOMException('Cannot create so many PeerConnections', 'UnknownError')
  const connection = new Shim()
  const states = note(connection, 'connectionstatechange')
  const channel = connection.createDataChannel('')
  const events = note(channel, 'error', 'close')
  await assert.rejects(connection.createOffer(), { name: 'UnknownError', message: /so many/ })
  await settled()
  assert.deepEqual([connection.connectionState, states, events], ['failed', ['connectionstatechange'], ['error', 'close']])
  connection.close()
  assert.equal(link.connections, 0)
})

test('a channel that the browser does not make fails alone', async () => {
  const { Shim, settled } = rtcPair()
  const connection = new Shim()
  await settled()
  ;(FakeConnection.made[0] as FakeConnection).channelRefusal = new DOMException('No more.', 'OperationError')
  const channel = connection.createDataChannel('')
  const events = note(channel, 'error', 'close')
  await settled()
  assert.deepEqual([connection.connectionState, events], ['new', ['error', 'close']])
})

for (const how of ['the page cannot transfer', 'the Worker cannot read'] as const) {
  test(`when ${how} channels, WebRTC is unavailable for good and says why, once`, async () => {
    const pair = rtcPair()
    const { Shim, link, problems, settled } = pair
    const [connection, other] = [new Shim(), new Shim()]
    await settled()
    if (how === 'the page cannot transfer') pair.refuseTransfer()
    const channels = [connection.createDataChannel('a'), connection.createDataChannel('b')]
    const closes = channels.map((channel) => note(channel, 'close'))
    if (how === 'the Worker cannot read') pair.breakMessage()
    await settled()
    assert.deepEqual([problems.length, problems[0] === link.problem, link.connections], [1, true, 0])
    assert.match(problems[0] as string, /does not hand data channels to Workers/)
    assert.deepEqual([connection.connectionState, other.connectionState, closes], ['closed', 'closed', [['close'], ['close']]])
    assert.throws(() => new Shim(), { name: 'InvalidStateError' })
    await assert.rejects(Shim.generateCertificate({}), { name: 'InvalidStateError' })
  })
}

test('more connections than the budget are refused, until one is closed', async () => {
  const { Shim, settled } = rtcPair(2)
  const [first] = [new Shim(), new Shim()]
  assert.throws(() => new Shim(), { name: 'QuotaExceededError' })
  first?.close()
  new Shim()
  await settled()
  assert.equal(FakeConnection.made.filter((connection) => !connection.closed).length, 2)
})

test('when the Worker is gone, the page closes every connection', async () => {
  const { Shim, bridge, settled } = rtcPair()
  for (let index = 0; index < 3; index++) new Shim()
  await settled()
  bridge.close()
  assert.deepEqual(
    FakeConnection.made.map(({ closed }) => closed),
    [true, true, true],
  )
})

test('when the client stops, the Worker hangs up everywhere and nothing is left waiting', async () => {
  const { Shim, link, settled } = rtcPair()
  const connection = new Shim()
  const asked = assert.rejects(connection.createOffer(), { name: 'InvalidStateError' })
  const certificate = assert.rejects(Shim.generateCertificate({}), { name: 'AbortError' })
  link.close()
  await Promise.all([asked, certificate])
  await settled()
  assert.throws(() => new Shim(), { name: 'InvalidStateError' })
  assert.equal(connection.connectionState, 'closed')
})

test('after 500 connections that came and went nothing is left on either side', async () => {
  const { Shim, link, settled } = rtcPair(10)
  for (let round = 0; round < 50; round++) {
    const connections = Array.from({ length: 10 }, () => new Shim())
    for (const connection of connections) connection.createDataChannel('init')
    if (round % 2 === 0) await settled()
    for (const connection of connections) connection.close()
  }
  await settled()
  assert.equal(link.connections, 0)
  assert.equal(FakeConnection.made.length, 500)
  assert.equal(FakeConnection.made.filter(({ closed }) => !closed).length, 0)
})
