import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { streamPair } from '@libp2p/utils'
import { FrameBudget, readFrames, type FrameEnd } from '../../../worker/host/network/stream-frames.ts'
import { encodeFrame } from '../../../worker/wire/frame.ts'

interface Reading {
  readonly frames: number[]
  readonly end: Promise<FrameEnd>
}

/** Reads frames and remembers their first bytes; `work` is what delays the next one. */
function read(stream: Stream, work: () => void | Promise<void> = () => undefined): Reading {
  const frames: number[] = []
  const end = new Promise<FrameEnd>((resolve) => {
    readFrames(stream, 1024, {
      onFrame: (frame) => {
        frames.push(frame[0]!)
        return work()
      },
      onEnd: resolve,
    })
  })
  return { frames, end }
}

/** Sends frames and closes, and resolves when the other end has heard of it. */
async function say(from: Stream, to: Stream, ...frames: readonly Uint8Array[]): Promise<void> {
  const heard = new Promise((resolve) => to.addEventListener('remoteCloseWrite', resolve, { once: true }))
  for (const frame of frames) from.send(frame)
  await Promise.all([from.close(), heard])
}

const frame = (first: number): Uint8Array => encodeFrame(new Uint8Array(100).fill(first))

test('a stream that was closed before anybody listened is read, and its end is told', async () => {
  const [theirs, ours] = await streamPair()
  await say(theirs, ours, frame(1), frame(2))
  const { frames, end } = read(ours)
  assert.deepEqual(await end, { type: 'closed' })
  assert.deepEqual(frames, [1, 2])
})

test('bytes that negotiation read ahead and gave back are read, and the end is told', async () => {
  const [theirs, ours] = await streamPair()
  ours.addEventListener('message', (event) => ours.unshift(event.data), { once: true })
  await say(theirs, ours, frame(1))
  assert.deepEqual(await read(ours).end, { type: 'closed' })
})

test('a stream that ended without a byte before anybody listened has ended', async () => {
  const [theirs, ours] = await streamPair()
  await say(theirs, ours)
  assert.deepEqual(await read(ours).end, { type: 'closed' })
})

test('what arrives while a frame is worked on is read afterwards, though the sender has closed', async () => {
  const [theirs, ours] = await streamPair()
  const steps: (() => void)[] = []
  const { frames, end } = read(ours, () => new Promise((resolve) => void steps.push(resolve)))
  const begun = new Promise((resolve) => ours.addEventListener('message', resolve, { once: true }))
  theirs.send(frame(1))
  await begun
  await say(theirs, ours, frame(2), frame(3).subarray(0, 40))
  for (const sentence of [[1], [1, 2]]) {
    assert.deepEqual(frames, sentence)
    steps.shift()!()
    await new Promise(setImmediate)
  }
  assert.deepEqual(await end, { type: 'bad-frame', reason: 'truncated' })
})

test('reading stays paused when the bytes of a pause bring work of their own', async () => {
  const [theirs, ours] = await streamPair()
  const steps: (() => void)[] = []
  const { frames } = read(ours, () => new Promise((resolve) => void steps.push(resolve)))
  const told: string[] = []
  const { pause, resume } = ours
  Object.assign(ours, {
    pause: () => {
      told.push('pause')
      pause.call(ours)
    },
    resume: () => {
      resume.call(ours)
      told.push('resumed')
    },
  })
  const heard = (): Promise<unknown> => new Promise(setImmediate)
  theirs.send(frame(1))
  await heard()
  theirs.send(frame(2))
  await heard()
  steps.shift()!()
  await heard()
  assert.deepEqual(frames, [1, 2])
  assert.deepEqual(told, ['pause', 'resumed', 'pause'])
})

test('unfinished frames of several streams share one budget, which a finished or a broken one gives back', async () => {
  const budget = new FrameBudget(1_000)
  const ends: string[] = []
  const open = async (): Promise<Stream> => {
    const [ours, theirs] = await streamPair()
    readFrames(
      theirs,
      10_000,
      {
        onFrame: () => void ends.push('frame'),
        onEnd: (end) => void ends.push(end.type === 'bad-frame' ? end.reason : end.type),
      },
      budget,
    )
    return ours
  }
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => void (holds() ? resolve() : setImmediate(look))
      look()
    })
  const [first, second] = [await open(), await open()]
  // A prefix of 2,000 and 600 bytes of it: 600 are held.
  first.send(Uint8Array.of(0xd0, 0x0f, ...new Uint8Array(600)))
  await until(() => budget.held === 600)
  second.send(Uint8Array.of(0xd0, 0x0f, ...new Uint8Array(600)))
  await until(() => ends.length === 1)
  assert.deepEqual([ends, budget.held], [['too-many-at-once'], 600])
  first.send(new Uint8Array(1_400))
  await until(() => ends.length === 2)
  assert.deepEqual([ends, budget.held], [['too-many-at-once', 'frame'], 0])
})
