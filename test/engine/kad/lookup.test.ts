import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CandidateState } from '../../../worker/engine/kad/candidates.ts'
import type { LookupEvent, LookupPhase } from '../../../worker/engine/kad/lookup-contract.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { info8, peer8 } from '../../support/kad-peers.ts'
import { LookupBench as Bench } from '../../support/lookup-bench.ts'

describe('a candidate in every state, with every event', () => {
  /** The candidate under test, farther than all helpers. */
  const X = 0xf0
  const setUp: Record<CandidateState['type'], () => Bench> = {
    // Eight nearer ones take all places to dial.
    heard: () => new Bench().seeds(1, 2, 3, 4, 5, 6, 7, 8, X),
    dialing: () => new Bench({ alpha: 2 }).seeds(1, X).ready(1),
    resting: () =>
      new Bench({ alpha: 2 })
        .seeds(1, X)
        .ready(1)
        .send({ type: 'connection-failed', peer: peer8(X), reason: 'overloaded' }),
    // The only place to ask is taken.
    ready: () => new Bench({ alpha: 1 }).seeds(1, X).ready(1, X),
    waiting: () => new Bench({ alpha: 2 }).seeds(1, X).ready(1, X),
    slow: () => new Bench({ alpha: 2 }).seeds(1, X).ready(1, X).wait(limits.lookupSlowAfterMs.value),
    responded: () => new Bench({ alpha: 2 }).seeds(1, X).ready(1, X).answer(X),
    failed: () =>
      new Bench({ alpha: 2 })
        .seeds(1, X)
        .ready(1)
        .send({ type: 'connection-failed', peer: peer8(X), reason: 'refused' }),
    undialable: () =>
      new Bench({ alpha: 2 }).send({ type: 'candidates-found', candidates: [info8(1), info8(X, { dialable: false })] }).ready(1),
  }
  const dialFailed = (reason: Extract<LookupEvent, { type: 'connection-failed' }>['reason']) => (bench: Bench) =>
    bench.send({ type: 'connection-failed', peer: peer8(X), reason })
  const events = {
    'named with a dialable address': (bench: Bench) =>
      bench.send({ type: 'candidates-found', candidates: [info8(X, { addresses: 2 })] }),
    'named without one': (bench: Bench) => bench.send({ type: 'candidates-found', candidates: [info8(X, { dialable: false })] }),
    'connection ready': (bench: Bench) => bench.ready(X),
    'dial refused': dialFailed('refused'),
    'dial timed out': dialFailed('timeout'),
    'backing off': dialFailed('backoff'),
    denied: dialFailed('denied'),
    overloaded: dialFailed('overloaded'),
    'no dialable address': dialFailed('no-dialable-address'),
    responded: (bench: Bench) => bench.answer(X),
    'request failed': (bench: Bench) => bench.send({ type: 'request-failed', peer: peer8(X), reason: 'malformed' }),
    'stream reset': (bench: Bench) => bench.send({ type: 'request-failed', peer: peer8(X), reason: 'reset' }),
    'connection lost': (bench: Bench) => bench.send({ type: 'request-failed', peer: peer8(X), reason: 'disconnected' }),
    'dial queued': (bench: Bench) => bench.send({ type: 'dial-queued', peer: peer8(X) }),
    'dial begun': (bench: Bench) => bench.send({ type: 'dial-begun', peer: peer8(X), agoMs: 0 }),
    'dial opened': (bench: Bench) => bench.send({ type: 'dial-opened', peer: peer8(X) }),
    'patience over': (bench: Bench) => bench.wait(limits.dialLateMs.value),
  } satisfies Record<string, (bench: Bench) => Bench>

  const stays = (state: CandidateState['type']): Record<keyof typeof events, CandidateState['type']> => ({
    'named with a dialable address': state,
    'named without one': state,
    'connection ready': state,
    'dial refused': state,
    'dial timed out': state,
    'backing off': state,
    denied: state,
    overloaded: state,
    'no dialable address': state,
    responded: state,
    'request failed': state,
    'stream reset': state,
    'connection lost': state,
    'dial queued': state,
    'dial begun': state,
    'dial opened': state,
    'patience over': state,
  })
  const expected: Record<CandidateState['type'], Record<keyof typeof events, CandidateState['type']>> = {
    // The eight that take long give their places free.
    heard: { ...stays('heard'), 'patience over': 'dialing' },
    dialing: {
      ...stays('dialing'),
      'connection ready': 'waiting',
      'dial refused': 'failed',
      'dial timed out': 'failed',
      'backing off': 'failed',
      denied: 'failed',
      overloaded: 'resting',
      'no dialable address': 'undialable',
    },
    resting: { ...stays('resting'), 'patience over': 'dialing' },
    // The slow one gives its place free.
    ready: { ...stays('ready'), 'patience over': 'waiting' },
    waiting: {
      ...stays('waiting'),
      responded: 'responded',
      'request failed': 'failed',
      'stream reset': 'resting',
      'connection lost': 'resting',
      'patience over': 'slow',
    },
    slow: {
      ...stays('slow'),
      responded: 'responded',
      'request failed': 'failed',
      'stream reset': 'resting',
      'connection lost': 'resting',
    },
    responded: stays('responded'),
    // One of the two addresses was not tried.
    failed: { ...stays('failed'), 'named with a dialable address': 'dialing' },
    undialable: { ...stays('undialable'), 'named with a dialable address': 'dialing' },
  }

  for (const [state, row] of Object.entries(expected) as [CandidateState['type'], (typeof expected)['heard']][]) {
    test(`${state}`, () => {
      for (const [name, next] of Object.entries(row) as [keyof typeof events, CandidateState['type']][]) {
        const bench = setUp[state]()
        assert.equal(bench.state(X), state, 'the set-up')
        events[name](bench)
        assert.equal(bench.state(X), next, `${state}, ${name}`)
      }
    })
  }
})

describe('a lookup in every phase, with every event', () => {
  const setUp: Record<LookupPhase, () => Bench> = {
    starved: () => new Bench({ beta: 1 }),
    converging: () => new Bench({ beta: 1 }).seeds(1, 2),
    'following-up': () => new Bench({ beta: 1 }).seeds(1, 2).settle(1),
    ended: () => new Bench({ beta: 1 }).seeds(1).settle(1),
  }
  const events: Record<LookupEvent['type'], (bench: Bench) => Bench> = {
    tick: (bench) => bench.wait(1),
    'candidates-found': (bench) => bench.seeds(9),
    'candidates-exhausted': (bench) => bench.send({ type: 'candidates-exhausted' }),
    'connection-ready': (bench) => bench.ready(2),
    'connection-failed': (bench) => bench.send({ type: 'connection-failed', peer: peer8(2), reason: 'refused' }),
    'dial-queued': (bench) => bench.send({ type: 'dial-queued', peer: peer8(2) }),
    'dial-begun': (bench) => bench.send({ type: 'dial-begun', peer: peer8(2), agoMs: 0 }),
    'dial-opened': (bench) => bench.send({ type: 'dial-opened', peer: peer8(2) }),
    'peer-responded': (bench) => bench.answer(2),
    'request-failed': (bench) => bench.send({ type: 'request-failed', peer: peer8(2), reason: 'timeout' }),
    stop: (bench) => bench.send({ type: 'stop' }),
  }
  const expected: Record<LookupPhase, Partial<Record<LookupEvent['type'], LookupPhase>>> = {
    starved: { 'candidates-found': 'converging', 'candidates-exhausted': 'ended', stop: 'ended' },
    converging: { stop: 'ended' },
    'following-up': { 'connection-failed': 'ended', stop: 'ended' },
    ended: {},
  }
  for (const phase of Object.keys(setUp) as LookupPhase[]) {
    test(phase, () => {
      for (const type of Object.keys(events) as LookupEvent['type'][]) {
        const bench = events[type](setUp[phase]())
        assert.equal(bench.lookup.phase, expected[phase][type] ?? phase, `${phase}, ${type}`)
      }
    })
  }

  test('converging ends in following up when the nearest β have answered', () => {
    assert.equal(setUp.converging().settle(1).lookup.phase, 'following-up')
  })

  test('converging falls back to starved when nobody is left and nobody has answered', () => {
    const bench = setUp.converging()
    for (const bits of [1, 2]) bench.send({ type: 'connection-failed', peer: peer8(bits), reason: 'timeout' })
    assert.equal(bench.lookup.phase, 'starved')
    assert.equal(bench.effects.filter(({ type }) => type === 'starved').length, 2)
  })

  test('following up ends when the nearest k have answered', () => {
    assert.equal(setUp['following-up']().settle(2).lookup.phase, 'ended')
  })
})

test('a lookup asks the nearest first, within its places', () => {
  const bench = new Bench({ alpha: 2 }).seeds(9, 3, 7, 5).ready(9, 7, 5, 3)
  assert.deepEqual(bench.told('connect'), [3, 5, 7, 9])
  assert.deepEqual(bench.told('ask'), [9, 7])
  bench.answer(9)
  assert.deepEqual(bench.told('ask'), [9, 7, 3])
})

test('it ends when the three nearest have answered and the rest of the k nearest has been asked, too', () => {
  const bench = new Bench({ k: 5 }).seeds(1, 2, 3, 4, 5, 6, 7)
  bench.settle(1, 2, 3)
  assert.equal(bench.lookup.phase, 'following-up')
  bench.settle(4, 5)
  assert.equal(bench.lookup.phase, 'ended')
  assert.deepEqual(bench.outcomes(5), ['1 responded', '2 responded', '3 responded', '4 responded', '5 responded'])
  // The sixth was dialed in case that one of the last two is silent; the seventh was never needed.
  assert.deepEqual(bench.told('connect'), [1, 2, 3, 4, 5, 6])
})

test('what the follow-up answers say is used', () => {
  const bench = new Bench({ k: 4, beta: 1 }).seeds(10, 20).settle(10)
  bench.ready(20).answer(20, [info8(5)])
  assert.equal(bench.lookup.phase, 'following-up')
  bench.settle(5)
  assert.deepEqual(bench.outcomes(4), ['5 responded', '10 responded', '20 responded'])
})

test('undialable peers keep their rank in the result and are neither dialed nor waited for', () => {
  const bench = new Bench({ k: 3, beta: 2 }).seeds(2, 3).ready(2, 3)
  bench.answer(2, [info8(1, { dialable: false })]).answer(3, [info8(1, { dialable: false })])
  assert.equal(bench.lookup.phase, 'ended')
  assert.deepEqual(bench.told('connect'), [2, 3])
  assert.deepEqual(bench.outcomes(3), ['1 undialable', '2 responded', '3 responded'])
  assert.equal(bench.lookup.stats(0).undialable, 1)
})

test('an undialable peer that a single answer named is hearsay, one that two named is in the result', () => {
  const undialable = (bits: number) => info8(bits, { dialable: false })
  const bench = new Bench({ k: 5, beta: 2 }).seeds(8, 9).ready(8, 9)
  bench.answer(8, [undialable(1), undialable(2), undialable(1)]).answer(9, [undialable(2)])
  assert.deepEqual(bench.outcomes(5), ['2 undialable', '8 responded', '9 responded'])
})

test('dead peers are not in the result, and the next nearest takes their place', () => {
  const bench = new Bench({ k: 2, beta: 1 }).seeds(1, 2, 3)
  bench.send({ type: 'connection-failed', peer: peer8(1), reason: 'refused' }).settle(2, 3)
  assert.equal(bench.lookup.phase, 'ended')
  assert.deepEqual(bench.outcomes(2), ['2 responded', '3 responded'])
})

test('a slow request gives its place free, holds nothing up, and may still answer', () => {
  const bench = new Bench({ k: 4, alpha: 1, beta: 1 }).seeds(1, 2, 3).ready(1)
  bench.wait(limits.lookupSlowAfterMs.value)
  assert.equal(bench.state(1), 'slow')
  bench.settle(2)
  bench.answer(1, [info8(4)])
  assert.equal(bench.state(1), 'responded')
  bench.settle(3, 4)
  assert.equal(bench.lookup.phase, 'ended')
  assert.deepEqual(bench.outcomes(4), ['1 responded', '2 responded', '3 responded', '4 responded'])
})

test('a peer that was reached but has not answered at the end is told as failed, and no longer asked', () => {
  const bench = new Bench({ k: 3, beta: 1 }).seeds(1, 2).ready(1, 2).answer(2).wait(limits.lookupSlowAfterMs.value)
  assert.equal(bench.lookup.phase, 'ended')
  assert.deepEqual(bench.told('stop-asking'), [1])
  assert.deepEqual(bench.outcomes(3), ['1 failed', '2 responded'])
})

test('when following up, all of the k nearest are asked at once', () => {
  const bench = new Bench({ k: 6, alpha: 2, beta: 1 }).seeds(1, 2, 3, 4, 5, 6).ready(1, 2, 3, 4, 5, 6)
  assert.deepEqual(bench.told('ask'), [1, 2])
  bench.answer(1)
  assert.deepEqual(bench.told('ask'), [1, 2, 3, 4, 5, 6])
})

test('however many dead peers liars invent, the attempts of a lookup are bounded, and then it ends', () => {
  const bench = new Bench()
  const max = limits.lookupAttemptsMax.value
  for (let number = 0; number < max + 100; number++) {
    const peer = peer8(0x40, number >> 8, number & 0xff)
    const addresses = [{ bytes: Uint8Array.of(1), dialable: true }]
    bench.send({ type: 'candidates-found', candidates: [{ peer, addresses }] })
    bench.send({ type: 'connection-failed', peer, reason: 'refused' })
  }
  assert.equal(bench.told('connect').length, max)
  assert.equal(bench.lookup.phase, 'ended')
})

test('a connected peer that nearer ones have pushed out of the k nearest keeps nobody from being dialed', () => {
  const bench = new Bench({ k: 2, alpha: 1, beta: 1 }).seeds(0x80, 0x81).ready(0x80, 0x81)
  bench.answer(0x80, [info8(1), info8(2)])
  assert.equal(bench.state(0x81), 'ready')
  assert.deepEqual(bench.told('connect'), [0x80, 0x81, 1, 2])
  bench.settle(1, 2)
  assert.equal(bench.lookup.phase, 'ended')
})

test('barred peers are never candidates', () => {
  const bench = new Bench({ barred: 7 }).seeds(7, 8)
  assert.equal(bench.state(7), undefined)
  assert.deepEqual(bench.told('connect'), [8])
})

test('addresses from several answers are merged, and bounded', () => {
  const bench = new Bench({ beta: 1 }).seeds(1, 2)
  bench.send({ type: 'candidates-found', candidates: [info8(1, { addresses: 100 })] })
  assert.equal(bench.lookup.infoOf(peer8(1))?.addresses.length, limits.addressesPerPeerMax.value)
})

test('an ended lookup says nothing more', () => {
  const bench = new Bench({ beta: 1 }).seeds(1).settle(1)
  const before = bench.effects.length
  bench.seeds(2, 3).settle(2).wait(100_000)
  assert.equal(bench.effects.length, before)
  assert.equal(bench.lookup.nextDeadline(), undefined)
})
