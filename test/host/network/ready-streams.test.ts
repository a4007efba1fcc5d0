import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IdentifyResult } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { PeerIdBytes } from '../../../worker/engine/peer.ts'
import { ReadyStreams } from '../../../worker/host/network/ready-streams.ts'

const direct = '/ip4/127.0.0.1/udp/4001/webrtc-direct/certhash/uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g'
const peerOf = (digit: number): PeerIdBytes => Uint8Array.of(0, 1, digit) as PeerIdBytes

/** What a peer says of itself over a connection, and how many messages are expected on that. */
function peerConnection(agentVersion: string | undefined, address = direct): { result: IdentifyResult; expected: number[] } {
  const expected: number[] = []
  const peerConnection = { expectMessages: (count: number) => void expected.push(count) }
  const connection = { remoteAddr: multiaddr(address), muxer: { peerConnection } }
  return { result: { agentVersion, connection } as unknown as IdentifyResult, expected }
}

test('a Kubo over WebRTC-direct that is asked for a block is expected to send all that is wanted', () => {
  const ready = new ReadyStreams()
  const { result, expected } = peerConnection('kubo/0.43.0/1234567')
  ready.identified(peerOf(1), result)
  ready.asked(peerOf(1), 0, 200)
  assert.deepEqual(expected, [])
  ready.asked(peerOf(1), 1, 200)
  assert.deepEqual(expected, [200])
})

test('one that is asked before it has said what it is, is expected to from then on', () => {
  const ready = new ReadyStreams()
  const { result, expected } = peerConnection('kubo/0.43.0')
  ready.asked(peerOf(1), 4, 40)
  ready.identified(peerOf(1), result)
  assert.deepEqual(expected, [40])
})

test('several share what is wanted, but each may send what it was asked for', () => {
  const ready = new ReadyStreams()
  const [one, other] = [peerConnection('kubo/0.43.0'), peerConnection('go-ipfs/0.8.0')]
  ready.identified(peerOf(1), one.result)
  ready.identified(peerOf(2), other.result)
  ready.asked(peerOf(1), 1, 100)
  ready.asked(peerOf(2), 1, 100)
  ready.asked(peerOf(1), 70, 100)
  assert.deepEqual([one.expected, other.expected], [[100, 70], [50]])
})

test('nothing is made ready for peers that would wait for an answer, that reuse numbers, or that need no page', () => {
  const ready = new ReadyStreams()
  const others = [
    peerConnection('js-libp2p/3.0.0'),
    peerConnection(undefined),
    peerConnection('kubo/0.43.0', '/ip4/127.0.0.1/tcp/4001/ws'),
  ]
  for (const [index, { result }] of others.entries()) {
    ready.identified(peerOf(index), result)
    ready.asked(peerOf(index), 5, 5)
  }
  assert.deepEqual(
    others.map(({ expected }) => expected),
    [[], [], []],
  )
})

test('a peer that has gone and come back over something else is not expected to send anything', () => {
  const ready = new ReadyStreams()
  const { result, expected } = peerConnection('kubo/0.43.0')
  ready.identified(peerOf(1), result)
  ready.gone(peerOf(1))
  ready.asked(peerOf(1), 5, 5)
  assert.deepEqual(expected, [])
})
