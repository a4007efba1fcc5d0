import type { MultiaddrConnection, Transport } from '@libp2p/interface'
import { encodeFrame } from '../../wire/frame.ts'
import type { TransportFactory } from './transports.ts'

/**
 * A transport whose connections speak Noise before the peer has agreed to it: a round trip less for each dial. It is the
 * only encryption that we have, so that nothing is lost where the peer does not have it. (rust-libp2p's `V1Lazy`)
 *
 * libp2p, which would wait, finds the answer already there; the peer's own is compared and taken off when it comes.
 */
export function withEarlySecurity<Made extends Transport>(create: (components: never) => Made): TransportFactory {
  return (components) => {
    const transport = create(components as never)
    const dial = transport.dial.bind(transport)
    transport.dial = (address, options) => dial(address, { ...options, upgrader: speakingEarly(options.upgrader) })
    return transport
  }
}

type Upgrader = Parameters<Transport['dial']>[1]['upgrader']

function speakingEarly(upgrader: Upgrader): Upgrader {
  const early = Object.create(upgrader) as Upgrader
  early.upgradeOutbound = (connection, options) => {
    agreeFor(connection)
    return upgrader.upgradeOutbound(connection, options)
  }
  return early
}

/** The part of libp2p's connections, all of one base class, by which what arrives is handed in. */
interface Receiving {
  onData(data: Uint8Array | { subarray(): Uint8Array }): void
}

function agreeFor(connection: MultiaddrConnection): void {
  const receiving = connection as MultiaddrConnection & Receiving
  const expected = answer()
  const onData = receiving.onData.bind(receiving)
  let matched = 0
  receiving.onData = (data) => {
    const bytes = data instanceof Uint8Array ? data : data.subarray()
    const part = bytes.subarray(0, expected.length - matched)
    if (part.some((byte, index) => byte !== expected[matched + index])) {
      connection.abort(new Error('the peer does not agree to Noise'))
      return
    }
    matched += part.length
    if (matched === expected.length) receiving.onData = onData
    if (bytes.length > part.length) onData(bytes.subarray(part.length))
  }
  connection.push(expected.slice())
}

function answer(): Uint8Array {
  const lines = ['/multistream/1.0.0\n', '/noise\n'].map((line) => encodeFrame(new TextEncoder().encode(line)))
  const all = new Uint8Array(lines.reduce((length, line) => length + line.length, 0))
  let offset = 0
  for (const line of lines) {
    all.set(line, offset)
    offset += line.length
  }
  return all
}
