import { type WatchQuestion, watchChannel, type WorkerWatch } from './watch-channel.ts'

/**
 * Evaluated in the Worker before the Worker's own script: counts what the browser holds for it, and notes when bytes come
 * in. Asked over a `BroadcastChannel`, so that neither the page's client nor its page has to know.
 */

const sockets = new Set<WebSocket>()
const sessions = new Map<WebTransport, 'pending' | 'open'>()
const channels = new Set<RTCDataChannel>()
const received: [number, number][] = []
const made = { sockets: 0, sessions: 0, channels: 0 }

function note(data: unknown): void {
  const bytes = data instanceof ArrayBuffer || ArrayBuffer.isView(data) ? data.byteLength : 0
  if (bytes > 0) received.push([performance.timeOrigin + performance.now(), bytes])
}

class WatchedWebSocket extends WebSocket {
  constructor(...given: ConstructorParameters<typeof WebSocket>) {
    super(...given)
    made.sockets++
    sockets.add(this)
    this.addEventListener('message', ({ data }) => note(data))
    this.addEventListener('close', () => sockets.delete(this))
  }
}

class WatchedWebTransport extends WebTransport {
  constructor(...given: ConstructorParameters<typeof WebTransport>) {
    super(...given)
    made.sessions++
    sessions.set(this, 'pending')
    this.ready.then(
      () => sessions.has(this) && sessions.set(this, 'open'),
      () => sessions.delete(this),
    )
    const ended = (): void => void sessions.delete(this)
    this.closed.then(ended, ended)
  }
}

Object.assign(globalThis, { WebSocket: WatchedWebSocket, WebTransport: WatchedWebTransport })

const { read } = ReadableStreamDefaultReader.prototype
ReadableStreamDefaultReader.prototype.read = async function (this: ReadableStreamDefaultReader<unknown>) {
  const part = await read.call(this)
  note(part.value)
  return part
}

/** The shim takes messages by `onmessage`, which it sets once, when the channel has arrived. */
const onmessage = Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, 'onmessage')
Object.defineProperty(RTCDataChannel.prototype, 'onmessage', {
  ...onmessage,
  set(this: RTCDataChannel, handler: unknown) {
    onmessage?.set?.call(this, handler)
    if (channels.has(this)) return
    made.channels++
    channels.add(this)
    this.addEventListener('message', ({ data }) => note(data))
    this.addEventListener('close', () => channels.delete(this))
  },
})

/** A device that slept: its clock has gone on, its timers have not. */
let sleptMs = 0
const { now } = Date
Date.now = () => now() + sleptMs

const asked = new BroadcastChannel(watchChannel)
asked.onmessage = ({ data }: MessageEvent<WatchQuestion>) => {
  if (data.ask === 'sleep') {
    sleptMs += data.ms
  } else if (data.ask === 'watch') {
    const open = [...sockets].filter(({ readyState }) => readyState === WebSocket.OPEN)
    const opening = [...sockets].filter(({ readyState }) => readyState === WebSocket.CONNECTING)
    const closing = sockets.size - open.length - opening.length
    const pending = [...sessions.values()].filter((state) => state === 'pending').length
    const watch: WorkerWatch = {
      sockets: { pending: opening.length, open: open.length, closing, made: made.sockets },
      sessions: { pending, open: sessions.size - pending, made: made.sessions },
      channels: { open: channels.size, made: made.channels },
      received,
    }
    asked.postMessage(watch)
  }
}
