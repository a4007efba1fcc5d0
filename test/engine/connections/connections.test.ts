import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BytesMap } from '../../../worker/engine/bytes-map.ts'
import type { ConnectionUser } from '../../../worker/engine/connections/contract.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { ConnectionsBench as Bench, fill, peerOf } from '../../support/connections-bench.ts'

describe('the transition table of a wanted peer', () => {
  // state → event → what is said. Every pair of the two is here.
  const states: Record<string, () => Bench> = {
    unknown: () => new Bench(),
    queued: () => {
      const bench = new Bench()
      fill(bench)
      bench.need(99)
      return bench
    },
    dialing: () => {
      const bench = new Bench()
      bench.need(99)
      return bench
    },
    connected: () => {
      const bench = new Bench()
      bench.tell('peer-connected', 99)
      return bench
    },
    'backing off': () => {
      const bench = new Bench()
      bench.need(99)
      bench.failed(99)
      return bench
    },
  }
  const events: Record<string, (bench: Bench) => string[]> = {
    need: (bench) => bench.need(99),
    'need of the other': (bench) => bench.need(99, { user: 'bitswap' }),
    'need without a dialable address': (bench) => bench.need(99, { dialable: false }),
    'drop need': (bench) => bench.drop(99),
    'dial succeeded': (bench) => bench.succeeded(99),
    'dial failed': (bench) => bench.failed(99),
    connected: (bench) => bench.tell('peer-connected', 99),
    disconnected: (bench) => bench.tell('peer-disconnected', 99),
    'tick much later': (bench) => bench.tick(limits.dialTimeoutMs.value),
  }
  const dialed = ['dial 99']
  const ready = ['ready 99 for kad']
  const table: Record<string, Record<string, string[]>> = {
    unknown: {
      need: dialed,
      'need of the other': dialed,
      'need without a dialable address': ['failed 99 for kad: no-dialable-address'],
      'drop need': [],
      'dial succeeded': [],
      'dial failed': [],
      connected: [],
      disconnected: [],
      'tick much later': [],
    },
    queued: {
      need: [],
      'need of the other': [],
      'need without a dialable address': [],
      'drop need': [],
      'dial succeeded': [],
      'dial failed': [],
      connected: ready,
      disconnected: [],
      'tick much later': [
        ...Array.from({ length: limits.pendingDialsMax.value }, (_, index) => [
          `cancel ${index + 1}`,
          `failed ${index + 1} for kad: timeout`,
        ]).flat(),
        'dial 99',
      ],
    },
    dialing: {
      need: [],
      'need of the other': [],
      'need without a dialable address': [],
      'drop need': [],
      'dial succeeded': ready,
      'dial failed': ['failed 99 for kad: refused'],
      connected: ready,
      disconnected: [],
      'tick much later': ['cancel 99', 'failed 99 for kad: timeout'],
    },
    connected: {
      need: ready,
      'need of the other': ['ready 99 for bitswap'],
      'need without a dialable address': ready,
      'drop need': [],
      'dial succeeded': [],
      'dial failed': [],
      connected: [],
      disconnected: [],
      'tick much later': [],
    },
    'backing off': {
      need: ['failed 99 for kad: backoff'],
      'need of the other': ['failed 99 for bitswap: backoff'],
      'need without a dialable address': ['failed 99 for kad: no-dialable-address'],
      'drop need': [],
      'dial succeeded': [],
      'dial failed': [],
      connected: [],
      disconnected: [],
      'tick much later': [],
    },
  }
  for (const [state, make] of Object.entries(states)) {
    for (const [event, send] of Object.entries(events)) {
      test(`${state}, ${event}`, () => {
        assert.deepEqual(send(make()), table[state]?.[event])
      })
    }
  }
})

test('both users of one dial are told of its end', () => {
  const bench = new Bench()
  bench.need(1)
  bench.need(1, { user: 'bitswap' })
  assert.deepEqual(bench.drop(1), [])
  bench.need(1)
  assert.deepEqual(bench.succeeded(1), ['ready 1 for bitswap', 'ready 1 for kad'])
})

test('a freed place goes to the most urgent, then to the one that came first', () => {
  const bench = new Bench()
  fill(bench)
  bench.need(20, { priority: 'maintenance' })
  bench.need(21, { priority: 'normal' })
  bench.need(22, { priority: 'normal' })
  bench.need(23, { priority: 'urgent' })
  assert.deepEqual(bench.succeeded(1), ['ready 1 for kad', 'dial 23'])
  assert.deepEqual(bench.succeeded(2), ['ready 2 for kad', 'dial 21'])
  assert.deepEqual(bench.succeeded(3), ['ready 3 for kad', 'dial 22'])
  assert.deepEqual(bench.succeeded(4), ['ready 4 for kad', 'dial 20'])
})

test('who is thought to have a block is dialed before those who may only know who has, whoever needed them first', () => {
  const bench = new Bench()
  fill(bench)
  for (const number of [20, 21, 22]) bench.need(number, { priority: 'urgent' })
  bench.need(23, { user: 'bitswap', priority: 'immediate' })
  bench.need(22, { user: 'bitswap', priority: 'immediate' })
  assert.deepEqual(bench.succeeded(1), ['ready 1 for kad', 'dial 22'])
  assert.deepEqual(bench.succeeded(2), ['ready 2 for kad', 'dial 23'])
  assert.deepEqual(bench.succeeded(3), ['ready 3 for kad', 'dial 20'])
})

test('the wait after a failure doubles, is capped, and is forgotten when the peer connects', () => {
  const bench = new Bench()
  let now = 0
  for (let failure = 0; failure < 12; failure++) {
    assert.deepEqual(bench.need(1, { now }), ['dial 1'])
    bench.failed(1, now)
    const wait = Math.min(limits.dialBackoffFirstMs.value * 2 ** failure, limits.dialBackoffMaxMs.value)
    assert.deepEqual(bench.need(1, { now: now + wait - 1 }), ['failed 1 for kad: backoff'])
    now += wait
  }
  bench.tell('peer-connected', 1)
  bench.tell('peer-disconnected', 1)
  assert.deepEqual(bench.need(1, { now }), ['dial 1'])
})

test('a dial that nobody needs any more goes on, and what comes of it is known to the next', () => {
  const bench = new Bench()
  bench.need(1)
  bench.need(2)
  assert.deepEqual([bench.drop(1), bench.drop(2)], [[], []])
  assert.deepEqual(bench.succeeded(1, 300), [])
  assert.deepEqual(bench.need(1, { now: 400 }), ['ready 1 for kad'])
  assert.deepEqual(bench.tick(limits.dialTimeoutMs.value), ['cancel 2'])
  assert.deepEqual(bench.need(2, { now: limits.dialTimeoutMs.value }), ['failed 2 for kad: backoff'])
})

test('it gives its place to whoever needs one: without a trace when it was short, as a failure when it was long', () => {
  const late = limits.dialLateMs.value
  const bench = new Bench()
  fill(bench)
  bench.drop(2)
  assert.deepEqual(bench.need(20, { priority: 'maintenance', now: late - 1 }), ['cancel 2', 'dial 20'])
  bench.succeeded(1, late)
  assert.deepEqual(bench.need(2, { now: late }), ['dial 2'])
  bench.drop(3, 'kad', late)
  assert.deepEqual(bench.need(21, { now: late }), ['cancel 3', 'dial 21'])
  assert.deepEqual(bench.need(3, { now: late }), ['failed 3 for kad: backoff'])
})

test('whoever needs a peer that is still being dialed, though nobody waited, is told how long already', () => {
  const bench = new Bench()
  bench.need(1)
  bench.drop(1)
  bench.tellsOfQueue = true
  assert.deepEqual(bench.need(1, { now: 700 }), ['begun 1 for kad, 700 ms ago'])
})

test('whoever waits in the queue is told so, and when the dial begins; whoever joins later, how long ago it did', () => {
  const bench = new Bench()
  fill(bench)
  bench.tellsOfQueue = true
  assert.deepEqual(bench.need(20), ['queued 20 for kad'])
  assert.deepEqual(bench.need(20), ['queued 20 for kad'])
  assert.deepEqual(bench.need(20, { user: 'bitswap' }), ['queued 20 for bitswap'])
  assert.deepEqual(bench.succeeded(1, 100), [
    'ready 1 for kad',
    'dial 20',
    'begun 20 for kad, 0 ms ago',
    'begun 20 for bitswap, 0 ms ago',
  ])
  assert.deepEqual(bench.need(2, { user: 'bitswap', now: 300 }), ['begun 2 for bitswap, 300 ms ago'])
  assert.deepEqual(bench.need(21, { now: 300 }), ['queued 21 for kad'])
})

test('a dial that takes long gives its place to one that waits, but not to a less urgent one', () => {
  const slow = limits.dialLateMs.value
  const bench = new Bench()
  fill(bench)
  bench.need(20, { priority: 'maintenance' })
  assert.deepEqual(bench.tick(slow), [])
  assert.equal(bench.machine.nextDeadline(), limits.dialTimeoutMs.value)
  assert.deepEqual(bench.need(21, { now: slow }), ['cancel 1', 'failed 1 for kad: timeout', 'dial 21'])
  assert.equal(bench.machine.counts().failures, 1)
})

test('nobody waits longer for a place than most dials take', () => {
  const bench = new Bench()
  for (let number = 100; number < 100 + limits.durationWindowMin.value; number++) {
    bench.need(number)
    bench.succeeded(number, 500)
  }
  fill(bench)
  bench.need(20)
  assert.equal(bench.machine.nextDeadline(), 562.5)
  assert.deepEqual(bench.tick(562), [])
  assert.deepEqual(bench.tick(562.5), ['cancel 1', 'failed 1 for kad: timeout', 'dial 20'])
})

describe('a dial to a peer behind relays', () => {
  const learned = (relayed: boolean, tookMs: number): Bench => {
    const bench = new Bench()
    for (let number = 100; number < 100 + limits.durationWindowMin.value; number++) {
      bench.need(number, { relayed })
      bench.succeeded(number, tookMs)
    }
    return bench
  }
  const fillRelayed = (bench: Bench): void => {
    for (let number = 1; number <= limits.pendingDialsMax.value; number++) bench.need(number, { relayed: true })
  }

  test('keeps its place although direct ones answer in a fraction of the time', () => {
    const bench = learned(false, 100)
    fillRelayed(bench)
    bench.need(20)
    assert.equal(bench.machine.nextDeadline(), limits.relayedDialLateMs.value)
    assert.deepEqual(bench.tick(limits.dialLateMs.value), [])
  })

  test('gives it up by the measure of others through relays, once enough have succeeded', () => {
    const bench = learned(true, 1_000)
    fillRelayed(bench)
    bench.need(20)
    assert.equal(bench.machine.nextDeadline(), 1_125)
    assert.deepEqual(bench.tick(1_125), ['cancel 1', 'failed 1 for kad: timeout', 'dial 20'])
  })

  test('says nothing of direct ones', () => {
    const bench = learned(true, 100)
    fill(bench)
    bench.need(20)
    assert.equal(bench.machine.nextDeadline(), limits.dialLateMs.value)
  })
})

test('how long a dial took is learned from the connection, which is told before the dial is', () => {
  const bench = new Bench()
  for (let number = 100; number < 100 + limits.durationWindowMin.value; number++) {
    bench.need(number)
    bench.tell('peer-connected', number, 500)
    bench.succeeded(number, 500)
  }
  fill(bench)
  bench.need(20)
  assert.equal(bench.machine.nextDeadline(), 562.5)
})

test('while a breaker is open nobody dials; then one probe decides, and one that is given up leaves it to the next', () => {
  const wait = limits.dialBackoffFirstMs.value
  const bench = new Bench()
  bench.need(1)
  bench.failed(1)
  assert.deepEqual(bench.need(1, { now: wait - 1 }), ['failed 1 for kad: backoff'])
  assert.deepEqual(bench.need(1, { now: wait }), ['dial 1'])
  // One place less: more have failed than succeeded.
  for (let number = 2; number < limits.pendingDialsMax.value; number++) bench.need(number, { now: wait })
  bench.drop(1, 'kad', wait)
  assert.deepEqual(bench.need(20, { now: wait }), ['cancel 1', 'dial 20'])
  bench.succeeded(20, wait)
  assert.deepEqual(bench.need(1, { now: wait }), ['dial 1'])
  bench.failed(1, wait)
  assert.deepEqual(bench.need(1, { now: 3 * wait - 1 }), ['failed 1 for kad: backoff'])
})

test('a denied peer is never dialed', () => {
  const denied = new BytesMap<true>()
  denied.set(peerOf(5).id, true)
  assert.deepEqual(new Bench(denied).need(5), ['failed 5 for kad: denied'])
})

test('maintenance takes only some of the places, and a search that comes later is dialed at once', () => {
  const bench = new Bench()
  const max = limits.maintenanceDialsMax.value
  for (let number = 1; number <= 20; number++) bench.need(number, { priority: 'maintenance' })
  assert.equal(bench.machine.counts().dialing, max)
  assert.deepEqual(bench.need(99, { priority: 'urgent' }), ['dial 99'])
  assert.deepEqual(bench.succeeded(99), ['ready 99 for kad'])
  assert.deepEqual(bench.succeeded(1), ['ready 1 for kad', `dial ${max + 1}`])
})

test('the repair of a table takes half of the places, so that a first search is dialed beside it, and goes before what nobody waits for', () => {
  const bench = new Bench()
  const max = limits.repairDialsMax.value
  for (let number = 1; number <= 20; number++) bench.need(number, { priority: 'repair' })
  assert.equal(bench.machine.counts().dialing, max)
  assert.deepEqual(bench.need(99, { priority: 'urgent' }), ['dial 99'])
  for (let number = 100; number <= 110; number++) bench.need(number, { priority: 'normal' })
  assert.deepEqual(bench.succeeded(1), ['ready 1 for kad', `dial ${max + 1}`])
})

test('a peer that maintenance has queued is dialed at once when a person needs it too', () => {
  const bench = new Bench()
  for (let number = 1; number <= 20; number++) bench.need(number, { priority: 'maintenance' })
  assert.deepEqual(bench.need(15, { user: 'bitswap', priority: 'urgent' }), ['dial 15'])
})

test('whatever happens, the bounds hold and every need is answered once or dropped', () => {
  const step = fc.record({
    action: fc.constantFrom('need', 'drop', 'opened', 'succeeded', 'failed', 'connected', 'disconnected', 'tick'),
    number: fc.integer({ min: 1, max: 400 }),
    user: fc.constantFrom<ConnectionUser>('kad', 'bitswap'),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 800 }), (steps) => {
      const bench = new Bench()
      const open = new Set<string>()
      let now = 0
      const account = (said: string[]): void => {
        for (const sentence of said) {
          const answered = /^(?:ready|failed) (\d+) for (\w+)/.exec(sentence)
          if (answered !== null) assert.ok(open.delete(`${answered[1]} ${answered[2]}`), `asked for before: ${sentence}`)
        }
      }
      for (const { action, number, user } of steps) {
        now += 100
        if (action === 'need') open.add(`${number} ${user}`)
        if (action === 'drop') open.delete(`${number} ${user}`)
        if (action === 'need') account(bench.need(number, { user, now }))
        else if (action === 'drop') account(bench.drop(number, user, now))
        else if (action === 'opened') account(bench.opened(number, now))
        else if (action === 'succeeded') account(bench.succeeded(number))
        else if (action === 'failed') account(bench.failed(number, now))
        else if (action === 'tick') account(bench.tick(now))
        else account(bench.tell(action === 'connected' ? 'peer-connected' : 'peer-disconnected', number))
        const { opening, dialing, queued, places } = bench.machine.counts()
        assert.ok(opening <= limits.pendingDialsMax.value && dialing <= limits.dialsMax.value)
        assert.ok(queued <= limits.queuedDialsMax.value)
        assert.ok(queued === 0 || opening >= places || dialing === limits.dialsMax.value, 'no place stays free')
      }
      for (let deadline = bench.machine.nextDeadline(); deadline !== undefined; deadline = bench.machine.nextDeadline()) {
        account(bench.tick(deadline))
      }
      assert.equal(open.size, 0)
    }),
    { numRuns: 100 },
  )
})

test('on another network everybody who failed may be dialed again, but for who is being dialed', () => {
  const bench = new Bench()
  for (const number of [1, 2]) {
    bench.need(number)
    bench.failed(number)
  }
  const due = limits.dialBackoffFirstMs.value
  assert.deepEqual(bench.need(1, { now: due }), ['dial 1'])
  bench.machine.handle({ type: 'network-changed' }, due)
  assert.deepEqual(bench.need(2, { now: due }), ['dial 2'])
  assert.equal(bench.machine.counts().failures, 1)
})
