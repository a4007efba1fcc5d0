import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../worker/engine/limits.ts'
import { endDeadConnections } from '../../../worker/host/network/connection-probe.ts'
import { Lifecycle } from '../../../worker/host/network/lifecycle.ts'

const beat = limits.heartbeatMs.value
const settle = limits.revivalSettleMs.value
const interval = limits.revivalIntervalMs.value

/** A device whose time, network and sleep are the test's. */
class Device {
  readonly scope = new EventTarget()
  readonly connection = new EventTarget()
  readonly revivals: number[] = []
  readonly lifecycle: Lifecycle
  #now = 0
  #timers: { at: number; act: () => void }[] = []

  constructor() {
    this.lifecycle = new Lifecycle({
      scope: this.scope,
      connection: this.connection,
      now: () => this.#now,
      after: (ms, act) => {
        const timer = { at: this.#now + ms, act }
        this.#timers.push(timer)
        return () => {
          this.#timers = this.#timers.filter((other) => other !== timer)
        }
      },
      onRevived: () => this.revivals.push(this.#now),
    })
  }

  get timers(): number {
    return this.#timers.length
  }

  pass(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.#now = Math.max(this.#now, next.at)
      next.act()
    }
    this.#now = end
  }

  /** Time goes by and no timer runs. */
  sleep(ms: number): void {
    this.#now += ms
  }

  tell(target: EventTarget, type: string): void {
    target.dispatchEvent(new Event(type))
  }
}

test('time alone revives nothing, nor do timers that a hidden tab has once a minute', () => {
  const device = new Device()
  device.pass(10 * beat)
  for (let minute = 0; minute < 5; minute++) {
    device.sleep(60_000)
    device.pass(0)
  }
  device.pass(settle)
  assert.deepEqual(device.revivals, [])
})

test('a sleep is noticed by the heartbeat that comes late', () => {
  const device = new Device()
  device.sleep(3_600_000)
  device.pass(settle)
  assert.deepEqual(device.revivals, [3_600_000 + settle])
})

for (const [name, sign] of [
  ['being online again', (device: Device) => device.tell(device.scope, 'online')],
  ['another network', (device: Device) => device.tell(device.connection, 'change')],
] as const) {
  test(`${name} is told once it has settled, however often it is said`, () => {
    const device = new Device()
    for (let count = 0; count < 10; count++) {
      sign(device)
      device.pass(settle / 20)
    }
    assert.deepEqual(device.revivals, [])
    device.pass(settle)
    assert.deepEqual(device.revivals, [settle])
  })
}

test('a network that flaps is told of once in a while, and the last change is never lost', () => {
  const device = new Device()
  for (let second = 0; second < 60; second++) {
    device.tell(device.scope, 'online')
    device.pass(1_000)
  }
  device.pass(interval)
  const gaps = device.revivals.slice(1).map((at, index) => at - device.revivals[index]!)
  assert.ok(
    gaps.every((gap) => gap >= interval),
    String(gaps),
  )
  assert.ok(device.revivals.at(-1)! >= 60_000)
})

test('after the end nothing is told and no timer is left', () => {
  const device = new Device()
  device.tell(device.scope, 'online')
  device.lifecycle.stop()
  device.tell(device.scope, 'online')
  device.tell(device.connection, 'change')
  device.pass(interval)
  assert.deepEqual([device.revivals, device.timers], [[], 0])
})

test('connections that do not answer are ended, a few at a time; those that closed meanwhile are left alone', async () => {
  const ended: number[] = []
  let [running, most] = [0, 0]
  const connections = Array.from({ length: 30 }, (_, index) => ({
    index,
    status: index === 4 ? 'closed' : 'open',
    abort: () => ended.push(index),
  }))
  const ping = async (connection: unknown): Promise<void> => {
    running++
    most = Math.max(most, running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
    if ((connection as { index: number }).index % 2 === 0) throw new Error('silence')
  }
  await endDeadConnections(connections as never, ping)
  assert.deepEqual(
    ended.toSorted((a, b) => a - b),
    Array.from({ length: 15 }, (_, index) => 2 * index).filter((index) => index !== 4),
  )
  assert.equal(most, limits.connectionProbesMax.value)
})

test('a peer that says that it knows no ping is alive', async () => {
  const ended: string[] = []
  const connections = ['knows no ping', 'silent'].map((name) => ({ name, status: 'open', abort: () => ended.push(name) }))
  await endDeadConnections(connections as never, async (connection) => {
    const { name } = connection as unknown as { name: string }
    throw Object.assign(new Error(name), { name: name === 'silent' ? 'TimeoutError' : 'UnsupportedProtocolError' })
  })
  assert.deepEqual(ended, ['silent'])
})
