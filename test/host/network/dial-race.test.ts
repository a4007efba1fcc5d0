import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TransportName } from '../../../worker/contract/service.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { type DialRaceInit, raceDials } from '../../../worker/host/network/dial-race.ts'

/** Dials that a test lets succeed or fail, and waits that it lets end. */
class Track {
  readonly begun: string[] = []
  readonly discarded: string[] = []
  readonly failed: TransportName[] = []
  readonly waits: number[] = []
  readonly given: string[] = []
  mayOverlap = true
  readonly stop = new AbortController()
  readonly #dials = new Map<string, { resolve: (value: string) => void; reject: (error: Error) => void }>()
  #endWait: (() => void) | undefined

  race(...steps: readonly [TransportName, ...string[]][]): ReturnType<typeof raceDials<string, string>> {
    const init: DialRaceInit<string, string> = {
      steps: steps.map(([transport, ...targets]) => ({ transport, targets })),
      signal: this.stop.signal,
      dial: (target, signal) => this.#dial(target, signal),
      discard: (result) => this.discarded.push(result),
      onFailed: (transport) => this.failed.push(transport),
      mayOverlap: () => this.mayOverlap,
      wait: (ms, signal) => this.#wait(ms, signal),
    }
    return raceDials(init)
  }

  async succeed(target: string): Promise<void> {
    this.#dials.get(target)?.resolve(target)
    await this.turn()
  }

  async fail(target: string): Promise<void> {
    this.#dials.get(target)?.reject(new Error(`${target} failed`))
    await this.turn()
  }

  async waitOver(): Promise<void> {
    this.#endWait?.()
    await this.turn()
  }

  async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
  }

  #dial(target: string, signal: AbortSignal): Promise<string> {
    this.begun.push(target)
    signal.addEventListener('abort', () => this.given.push(target))
    return new Promise((resolve, reject) => this.#dials.set(target, { resolve, reject }))
  }

  #wait(ms: number, signal: AbortSignal): Promise<void> {
    this.waits.push(ms)
    return new Promise((resolve) => {
      this.#endWait = resolve
      signal.addEventListener('abort', () => resolve())
    })
  }
}

test('the likeliest alone is tried while it has its head start', async () => {
  const track = new Track()
  const race = track.race(['websocket', 'a'], ['webtransport', 'b'])
  await track.turn()
  assert.deepEqual([track.begun, track.waits], [['a'], [limits.dialStaggerMs.value]])
  await track.succeed('a')
  assert.deepEqual(await race, { transport: 'websocket', result: 'a' })
  assert.deepEqual(track.begun, ['a'])
})

test('when it is slow the next begins beside it, and whichever comes first wins and ends the other', async () => {
  const track = new Track()
  const race = track.race(['websocket', 'a'], ['webtransport', 'b'])
  await track.waitOver()
  assert.deepEqual(track.begun, ['a', 'b'])
  await track.succeed('b')
  assert.deepEqual(await race, { transport: 'webtransport', result: 'b' })
  assert.deepEqual([track.given, track.failed], [['a', 'b'], []], 'and nobody has failed')
})

test('a connection that comes after another has won is given back', async () => {
  const track = new Track()
  const race = track.race(['websocket', 'a'], ['webtransport', 'b'])
  await track.waitOver()
  await track.succeed('a')
  await track.succeed('b')
  assert.equal((await race).result, 'a')
  assert.deepEqual(track.discarded, ['b'])
})

test('when it fails the next begins at once', async () => {
  const track = new Track()
  const race = track.race(['websocket', 'a'], ['webtransport', 'b'])
  await track.turn()
  await track.fail('a')
  assert.deepEqual([track.begun, track.failed], [['a', 'b'], ['websocket']])
  await track.succeed('b')
  assert.equal((await race).transport, 'webtransport')
})

test('a transport tries its addresses one after the other', async () => {
  const track = new Track()
  const race = track.race(['websocket', 'a', 'b'])
  await track.turn()
  await track.fail('a')
  assert.deepEqual(track.begun, ['a', 'b'])
  await track.succeed('b')
  assert.equal((await race).result, 'b')
})

test('while there is no room for another attempt, a slow one keeps its head start', async () => {
  const track = new Track()
  track.mayOverlap = false
  const race = track.race(['websocket', 'a'], ['webtransport', 'b'])
  await track.waitOver()
  await track.waitOver()
  assert.deepEqual([track.begun, track.waits.length], [['a'], 3])
  track.mayOverlap = true
  await track.waitOver()
  assert.deepEqual(track.begun, ['a', 'b'])
  await track.succeed('a')
  assert.equal((await race).transport, 'websocket')
})

test('a relayed connection waits longer, since WebRTC may come over that very relay', async () => {
  const track = new Track()
  const race = track.race(['webrtc', 'a'], ['relay', 'b'])
  await track.turn()
  assert.deepEqual(track.waits, [limits.relayStaggerMs.value])
  await track.succeed('a')
  assert.equal((await race).transport, 'webrtc')
})

test('when all fail, the error of the likeliest is told', async () => {
  const track = new Track()
  const race = assert.rejects(track.race(['websocket', 'a'], ['webtransport', 'b']), /a failed/)
  await track.waitOver()
  await track.fail('b')
  await track.fail('a')
  await race
  assert.deepEqual(track.failed, ['webtransport', 'websocket'])
})

test('when the caller gives up, nothing more begins, and what comes late is given back', async () => {
  const track = new Track()
  const race = assert.rejects(track.race(['websocket', 'a'], ['webtransport', 'b']), /enough/)
  await track.turn()
  track.stop.abort(new Error('enough'))
  await track.succeed('a')
  await race
  assert.deepEqual([track.begun, track.discarded, track.failed], [['a'], ['a'], []])
})
