import type { Stream, StreamMiddleware } from '@libp2p/interface'
import type { Watch } from '../../demo/swarm/node.ts'
import { limits } from '../../worker/engine/limits.ts'
import { FrameReader } from '../../worker/wire/frame.ts'
import { Field } from '../../worker/wire/protobuf.ts'

/** Counts what the servers hear and say in Bitswap, from the bytes on their streams: neither side can colour that. */

export interface Counts {
  /** Entries of wantlists that came. */
  wantBlocks: number
  wantHaves: number
  cancels: number
  /** What went out. */
  blocks: number
  blockBytes: number
  haves: number
  dontHaves: number
}

const protocol = '/ipfs/bitswap/1.2.0'

export class Tally {
  #counts = zero()

  /** All so far, from then on counted anew. */
  take(): Counts {
    const counts = this.#counts
    this.#counts = zero()
    return counts
  }

  /** Changes with every message. */
  get sum(): number {
    return Object.values(this.#counts).reduce((sum, count) => sum + count, 0)
  }

  readonly watch: Watch = (streams) => {
    const usual = streams.getMiddleware.bind(streams)
    const listen: StreamMiddleware = (stream, connection, next) => {
      this.#listen(stream as Stream)
      next(stream, connection)
    }
    // A new list for each stream: libp2p 3 adds the protocol's handler to the list it is given, for good.
    streams.getMiddleware = (name) => (name === protocol ? [listen, ...usual(name)] : usual(name))
  }

  #listen(stream: Stream): void {
    const heard = new FrameReader(limits.frameBytesMax.value)
    const said = new FrameReader(limits.frameBytesMax.value)
    const listenTo = stream.addEventListener.bind(stream)
    let isListening = false
    // Helia's handler listens late: who listens before it would be handed what is meant for both.
    stream.addEventListener = ((...args: Parameters<typeof listenTo>) => {
      if (args[0] === 'message' && !isListening) {
        isListening = true
        listenTo('message', ({ data }) => {
          for (const frame of heard.push(data).frames) this.#count(frame)
        })
      }
      listenTo(...args)
    }) as typeof stream.addEventListener
    const send = stream.send.bind(stream)
    stream.send = (data) => {
      for (const frame of said.push(data).frames) this.#count(frame)
      return send(data)
    }
  }

  /** Fields as in `worker/wire/bitswap.ts`; blocks are looked at, not copied. */
  #count(frame: Uint8Array): void {
    const counts = this.#counts
    const message = new Field(frame)
    while (message.next()) {
      if (message.number === 1) countWants(message.bytes(), counts)
      else if (message.number === 3) {
        counts.blocks++
        counts.blockBytes += message.bytes().length
      } else if (message.number === 4) counts[readVarint(message.bytes(), 2) === 1 ? 'dontHaves' : 'haves']++
      else message.skip()
    }
  }
}

function countWants(wantlist: Uint8Array, counts: Counts): void {
  const field = new Field(wantlist)
  while (field.next()) {
    if (field.number !== 1) {
      field.skip()
      continue
    }
    const entry = field.bytes()
    if (readVarint(entry, 3) === 1) counts.cancels++
    else if (readVarint(entry, 4) === 1) counts.wantHaves++
    else counts.wantBlocks++
  }
}

function readVarint(message: Uint8Array, number: number): number {
  const field = new Field(message)
  let value = 0
  while (field.next()) {
    if (field.number === number) value = field.uint32()
    else field.skip()
  }
  return value
}

function zero(): Counts {
  return { wantBlocks: 0, wantHaves: 0, cancels: 0, blocks: 0, blockBytes: 0, haves: 0, dontHaves: 0 }
}
