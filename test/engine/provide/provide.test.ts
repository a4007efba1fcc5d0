import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { hex, SweepWorld, type SweepWorldOptions } from '../../../sim/world/sweep-world.ts'
import { bytesOfKey } from '../../../worker/engine/provide/bits.ts'

const hour = 3_600_000

function isIdle(world: SweepWorld): boolean {
  return world.keys('queue').length === 0 && world.machine.status(world.now).phase === 'idle'
}

function world(options: Partial<SweepWorldOptions>, keys: number): SweepWorld {
  const made = new SweepWorld({ seed: 7, servers: 120, remembers: true, ...options })
  made.add(made.newKeys(keys), true)
  return made
}

test('without an address nothing is told, and the status says so; with one it begins', () => {
  const made = world({}, 50)
  made.machine.handle({ type: 'provide-start', self: made.self, cells: made.cells(), wallMs: made.wallMs }, 0)
  assert.equal(made.machine.poll(), undefined)
  assert.equal(made.machine.status(0).phase, 'no-address')
  assert.equal(made.machine.nextDeadline(), undefined)
  made.send({ type: 'own-addresses-changed', addresses: [{ bytes: Uint8Array.of(1), dialable: true }] })
  assert.equal(made.machine.status(0).phase, 'working')
  assert.ok(made.agenda.run(hour, () => isIdle(made)))
})

test('offline it probes ever later, and goes on at once when the browser is online again', () => {
  const made = world({}, 200)
  made.online = false
  made.start()
  const lookups: number[] = []
  made.onEffect = (effect) => {
    if (effect.type === 'find-closest') lookups.push(made.now)
  }
  made.agenda.run(hour)
  assert.equal(made.machine.status(made.now).phase, 'offline')
  assert.ok(lookups.length >= 4 && lookups.length <= 16, `${lookups.length} probes in an hour`)
  made.online = true
  made.send({ type: 'online-changed', online: true })
  assert.ok(made.agenda.run(made.now + 300_000, () => isIdle(made)))
  assert.equal(made.machine.status(made.now).totals.stored, 200 * 20)
})

test('closed in the middle, the next visit goes on where it was, and hardly anything is told twice (P11)', () => {
  for (const [servers, steps] of [
    [300, 0],
    [300, 47],
    [60, 31],
    [60, 90],
  ] as const) {
    const made = world({ servers }, 3_000)
    made.start()
    assert.ok(made.agenda.run(hour, () => made.keys('queue').length < 1_500))
    // Somewhere in the middle of a page, not just after keys have left the queue.
    let step = 0
    made.agenda.run(hour, () => step++ >= steps)
    const queued = made.keys('queue').length
    made.send({ type: 'provide-paused', paused: true })
    const told = made.counts.addProviders
    const next = made.reopened()
    made.start(next)
    assert.equal(next.status(made.now).queued, queued)
    assert.ok(made.agenda.run(hour, () => made.keys('queue').length === 0 && next.status(made.now).phase === 'idle'))
    const twice = made.counts.addProviders - 3_000 * 20
    assert.ok(told > 0 && twice >= 0 && twice <= 3 * 64 * 20, `${twice} records twice`)
    for (const key of made.keys('provided')) assert.equal(made.holders.get(hex(bytesOfKey(key)))?.size, 20)
    assert.deepEqual(next.status(made.now).cells.due, 0, 'what was told before the end is not due')
  }
})

test('a cycle later everything is told again, region by region at its moment, and before it expires', () => {
  const made = world({ servers: 200 }, 400)
  made.start()
  assert.ok(made.agenda.run(hour, () => isIdle(made)))
  const oldest = (): number => {
    const times = [...made.holders.values()].map((holders) => Math.max(...holders.values()))
    return made.now - Math.min(...times)
  }
  let worst = 0
  for (let hours = 2; hours <= 96; hours++) {
    made.agenda.run(hours * hour)
    worst = Math.max(worst, oldest())
  }
  assert.ok(worst <= 28 * hour, `a record was ${worst / hour} h old`)
  const cycles = made.counts.addProviders / (400 * 20)
  assert.ok(cycles >= 4 && cycles <= 6.5, `each was told ${cycles} times in 96 h`)
})

test('a hung peer pins nothing: the others are told, and its keys go to the next', () => {
  const made = world({ hungShare: 0.05, deadShare: 0.1 }, 300)
  made.start()
  assert.ok(
    made.agenda.run(2 * hour, () => isIdle(made)),
    JSON.stringify(made.machine.status(made.now)),
  )
  const { totals } = made.machine.status(made.now)
  assert.deepEqual([totals.keys, totals.missed], [300, 0])
  assert.equal(totals.stored, made.counts.addProviders, 'what is reported was sent')
  assert.ok(totals.stored >= 0.9 * 300 * 20, `${totals.stored} records`)
})

test('a region whose peers fail is tried again after five minutes, and its keys wait', () => {
  const made = world({ servers: 40, deadShare: 1 }, 10)
  made.start()
  made.agenda.run(hour)
  const { totals, queued } = made.machine.status(made.now)
  assert.deepEqual([totals.stored, queued, made.counts.addProviders], [0, 10, 0])
})

test('peers that cannot be dialed from here are counted, not tried, and hold nothing up', () => {
  const made = world({ undialableShare: 0.5 }, 200)
  made.start()
  assert.ok(made.agenda.run(hour, () => isIdle(made)))
  const { totals } = made.machine.status(made.now)
  assert.equal(totals.stored + totals.undialable, totals.targeted)
  assert.ok(totals.undialable > 1_000 && totals.failed === 0)
})

test('paused it stops at once and withdraws what is open; hidden it tells two peers at a time', () => {
  const made = world({}, 500)
  made.start()
  let lanes = 0
  let lanesMax = 0
  made.onEffect = (effect) => {
    if (effect.type === 'tell-peer') lanesMax = Math.max(lanesMax, ++lanes)
  }
  made.send({ type: 'page-hidden', hidden: true })
  const handle = made.machine.handle.bind(made.machine)
  made.machine.handle = (event, now) => {
    if (event.type === 'peer-told') lanes--
    handle(event, now)
  }
  assert.ok(made.agenda.run(hour, () => made.counts.tells > 20))
  assert.equal(lanesMax, 2)
  made.send({ type: 'provide-paused', paused: true })
  assert.equal(made.machine.status(made.now).phase, 'paused')
  assert.ok(made.effects.some(({ type }) => type === 'drop-order'))
  const { tells } = made.counts
  made.agenda.run(made.now + hour)
  assert.equal(made.counts.tells, tells)
})

test('late and unknown answers change nothing', () => {
  const made = world({}, 20)
  made.start()
  const order = 999_999 as never
  made.send({ type: 'keys-loaded', order, keys: [], wallMs: made.wallMs })
  made.send({ type: 'closest-found', order, peers: [] })
  made.send({ type: 'peer-asked', order, closer: [] })
  made.send({ type: 'peer-told', order, sent: 3 })
  assert.ok(made.agenda.run(hour, () => isIdle(made)))
  assert.equal(made.machine.status(made.now).totals.stored, 400)
})

test('the same seed gives the same orders, byte for byte (E1, golden)', () => {
  const trace = (seed: number): string => {
    const made = world({ seed, deadShare: 0.1, undialableShare: 0.2 }, 300)
    made.start()
    assert.ok(made.agenda.run(hour, () => isIdle(made)))
    const hash = createHash('sha256')
    const plain = (_: string, value: unknown): unknown =>
      ArrayBuffer.isView(value) ? Array.from(value as Uint8Array).join() : value
    for (const effect of made.effects) hash.update(JSON.stringify(effect, plain)).update('\n')
    return hash.digest('hex')
  }
  assert.equal(trace(3), trace(3))
  assert.notEqual(trace(3), trace(4))
  // Changes with every intended change of behaviour.
  assert.equal(trace(3), '58f8c3b18f92c2ca3c26794d6e1efde30de4756343f8f43d8ada82572969d1df')
})
