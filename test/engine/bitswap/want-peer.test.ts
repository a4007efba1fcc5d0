import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Link, Pace } from '../../../worker/engine/bitswap/link.ts'
import {
  newWantPeer,
  step,
  verdict,
  type WantPeer,
  type WantPeerEvent,
  type WantPeerState,
} from '../../../worker/engine/bitswap/want-peer.ts'
import { WantPeers } from '../../../worker/engine/bitswap/want-peers.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { PeerCache, type PeerIdBytes } from '../../../worker/engine/peer.ts'
import { infoOf } from '../../support/bitswap-network.ts'

const peer = new PeerCache().intern(new Uint8Array([0x12, 0x20, ...new Uint8Array(32).fill(5)]) as PeerIdBytes)
const now = 1_000

const states = {
  heard: { type: 'heard' },
  connecting: { type: 'connecting' },
  identifying: { type: 'identifying', until: 2_000 },
  unasked: { type: 'unasked' },
  'asked-have': { type: 'asked-have', sentAt: undefined, until: 2_000 },
  have: { type: 'have' },
  'asked-block': { type: 'asked-block', said: false, overdue: false, isSlow: false, sentAt: undefined, until: 2_000 },
  guessed: { type: 'guessed', said: false, sentAt: undefined, until: 2_000 },
  denied: { type: 'denied', by: 'dont-have' },
  gone: { type: 'gone' },
} as const satisfies { [T in WantPeerState['type']]: Extract<WantPeerState, { type: T }> }

const events = [
  'need-made',
  'connection-ready',
  'connection-failed',
  'bitswap-connected',
  'disconnected',
  'have-asked',
  'block-asked',
  'block-guessed',
  'outranked',
  'taken-over',
  'message-sent',
  'message-failed',
  'have',
  'dont-have',
  'time-up',
] as const satisfies readonly WantPeerEvent[]

/** Rows: state before. Columns: events in the order above. `fault`: we would never do that. */
const table: Record<WantPeerState['type'], string> = {
  heard: 'connecting heard heard unasked heard fault fault fault fault fault heard heard heard heard heard',
  connecting:
    'fault identifying gone unasked connecting fault fault fault fault fault connecting connecting connecting connecting connecting',
  identifying:
    'fault identifying identifying unasked heard fault fault fault fault fault identifying identifying identifying identifying gone',
  unasked: 'fault unasked unasked unasked heard asked-have asked-block guessed fault fault unasked unasked have denied unasked',
  'asked-have':
    'fault asked-have asked-have asked-have heard fault asked-block fault fault fault asked-have unasked have denied denied',
  have: 'fault have have have heard fault asked-block fault fault fault have have have denied have',
  'asked-block':
    'fault asked-block asked-block asked-block heard fault fault fault guessed unasked asked-block unasked asked-block denied denied',
  guessed: 'fault guessed guessed guessed heard fault fault fault fault fault guessed unasked guessed denied denied',
  denied: 'fault denied denied denied gone fault fault fault fault fault denied denied have denied denied',
  gone: 'fault gone gone unasked gone fault fault fault fault fault gone gone gone gone gone',
}

function inState(state: WantPeerState): WantPeer {
  const isConnected = !['heard', 'connecting', 'identifying', 'gone'].includes(state.type)
  const entry = newWantPeer(peer, 'provider', infoOf(peer), isConnected ? new Link(peer, new Pace(), false) : undefined)
  entry.state = state
  return entry
}

function outcome(entry: WantPeer, event: WantPeerEvent): string {
  try {
    step(entry, event, now)
    return entry.state.type
  } catch {
    return 'fault'
  }
}

for (const type of Object.keys(states) as WantPeerState['type'][]) {
  test(`a peer that is ${type} goes where the table says, for every event`, () => {
    const found = events.map((event) => outcome(inState(states[type]), event))
    assert.deepEqual(found, table[type].split(' '))
  })
}

test('a peer is dialed again after a loss only while its address is known and a dial is left', () => {
  const fresh = inState(states.unasked)
  step(fresh, 'disconnected', now)
  assert.equal(fresh.state.type, 'heard')
  const spent = inState(states.unasked)
  spent.dials = limits.wantDialsMax.value
  step(spent, 'disconnected', now)
  assert.equal(spent.state.type, 'gone')
  const unknown = inState(states.have)
  unknown.info = undefined
  step(unknown, 'disconnected', now)
  assert.equal(unknown.state.type, 'gone')
})

test('a HAVE is believed only as often as the limit allows', () => {
  const entry = inState(states.denied)
  for (let ask = 0; ask < limits.blockAsksMax.value; ask++) {
    step(entry, 'have', now)
    assert.equal(entry.state.type, 'have')
    step(entry, 'block-asked', now)
    step(entry, 'dont-have', now)
  }
  step(entry, 'have', now)
  assert.deepEqual(entry.state, { type: 'denied', by: 'silence' })
})

test('a peer has what was wanted if it said so and was not asked in vain; who had no time to answer is not judged', () => {
  const judged = (state: WantPeer['state'], blockAsks = 0) => verdict({ ...inState(state), blockAsks }, 100, now)
  const asked = { type: 'asked-have', until: now + 2_000 } as const
  assert.equal(judged({ ...asked, sentAt: now - 100 }), 'missed')
  assert.equal(judged({ ...asked, sentAt: now - 99 }), undefined)
  assert.equal(judged({ ...asked, sentAt: undefined }), undefined)
  assert.equal(judged({ type: 'have' }), 'served')
  assert.equal(judged({ type: 'have' }, 1), 'missed', 'it said so again, after it had been asked for the block')
  assert.equal(judged({ ...states['asked-block'], said: true, sentAt: now }), 'served')
  assert.equal(judged({ type: 'denied', by: 'dont-have' }), 'missed')
  assert.equal(judged({ type: 'denied', by: 'silence' }), 'missed')
  assert.equal(judged({ type: 'denied', by: 'failure' }), undefined)
  assert.equal(judged({ type: 'unasked' }), undefined)
})

test('a failed message is tried once more, and keeps the HAVE that was heard', () => {
  const entry = inState({ ...states['asked-block'], said: true })
  step(entry, 'message-failed', now)
  assert.equal(entry.state.type, 'have')
  step(entry, 'block-asked', now)
  step(entry, 'message-failed', now)
  assert.deepEqual(entry.state, { type: 'denied', by: 'failure' })
})

test('the clock of a question starts when the message has left, by the latency of the peer', () => {
  const entry = inState(states['asked-have'])
  step(entry, 'message-sent', now)
  assert.deepEqual(entry.state, { type: 'asked-have', sentAt: now, until: now + limits.answerTimeoutDefaultMs.value })
  entry.link!.answered(now, now + 100)
  const measured = inState(states['asked-have'])
  measured.link = entry.link
  step(measured, 'message-sent', now)
  assert.deepEqual(measured.state, { type: 'asked-have', sentAt: now, until: now + 300 })
})

test('a provider that could not be dialed is dialed once more when it is named with an address that can be', () => {
  const peers = new WantPeers()
  const [address] = infoOf(peer).addresses
  const entry = peers.join(peer, 'provider', { peer, addresses: [{ ...address!, dialable: false }] }, undefined)!
  step(entry, 'need-made', now)
  step(entry, 'connection-failed', now)
  peers.join(peer, 'provider', infoOf(peer), undefined)
  assert.deepEqual([entry.state.type, entry.info], ['heard', infoOf(peer)])
  peers.join(peer, 'provider', { peer, addresses: [] }, undefined)
  assert.deepEqual(entry.info, infoOf(peer), 'the better one stays')
})
