import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { type AddressPolicyOptions, createAddressPolicy, type DialableTransports } from '../../worker/host/addresses.ts'

const self = '12D3KooWC5hxG4kBvRAvVJKGWGfkU6KGMj9Z5rLdf4e3FgTQ2XqL'
const selfBytes = multiaddr(`/p2p/${self}`).bytes.subarray(3)
const certhash = 'uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ'
const relay = 'QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN'

const allTransports: DialableTransports = { webSockets: true, circuitRelay: true, webTransport: true, webRtc: true }
const open: AddressPolicyOptions = { allowPrivateAddresses: false, transports: allTransports }
const local: AddressPolicyOptions = { ...open, allowPrivateAddresses: true }

/** Address, dialable on the public network, dialable where private addresses are allowed. */
const table: readonly [string, boolean, boolean][] = [
  ['/dns4/node.example.com/tcp/443/wss', true, true],
  ['/dns/node.example.com/tcp/443/tls/ws', true, true],
  ['/dns6/node.example.com/tcp/443/tls/sni/node.example.com/ws', true, true],
  ['/dns4/147-75-87-27.k51abc.libp2p.direct/tcp/4001/tls/ws', true, true],
  ['/ip4/147.75.87.27/tcp/4001/tls/sni/147-75-87-27.k51abc.libp2p.direct/ws', true, true],
  ['/ip6/2604:1380:4602:5c00::3/tcp/4001/tls/sni/x.k51abc.libp2p.direct/ws', true, true],
  ['/ip4/147.75.87.27/tcp/443/wss', true, true],
  ['/dnsaddr/bootstrap.libp2p.io', true, true],
  // plain
  ['/dns4/node.example.com/tcp/80/ws', false, true],
  ['/ip4/147.75.87.27/tcp/80/ws', false, true],
  ['/ip4/127.0.0.1/tcp/4001/ws', false, true],
  // private
  ['/ip4/127.0.0.1/tcp/443/wss', false, true],
  ['/ip4/192.168.1.5/tcp/4001/tls/sni/192-168-1-5.k51abc.libp2p.direct/ws', false, true],
  ['/ip6/::1/tcp/443/wss', false, true],
  ['/dns4/localhost/tcp/443/wss', false, true],
  ['/dns4/printer.local/tcp/443/wss', false, true],
  ['/dns4/192-168-1-5.k51abc.libp2p.direct/tcp/4001/tls/ws', false, true],
  ['/dns6/fe80--1.k51abc.libp2p.direct/tcp/4001/tls/ws', false, true],
  // other transports
  ['/ip4/147.75.87.27/tcp/4001', false, false],
  ['/ip4/147.75.87.27/udp/4001/quic-v1', false, false],
  ['/ip4/147.75.87.27/udp/4001/quic-v1/webtransport/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ', true, true],
  [`/ip4/147.75.87.27/udp/4001/quic-v1/webtransport/certhash/${certhash}/certhash/${certhash}`, true, true],
  [`/dns4/node.example.com/udp/4001/quic-v1/webtransport/certhash/${certhash}`, true, true],
  [`/ip4/127.0.0.1/udp/4001/quic-v1/webtransport/certhash/${certhash}`, false, true],
  ['/ip4/147.75.87.27/udp/4001/quic-v1/webtransport', false, false],
  ['/ip4/147.75.87.27/udp/4001/webrtc-direct/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ', true, true],
  [`/ip4/10.0.0.1/udp/4001/webrtc-direct/certhash/${certhash}`, false, true],
  [`/dns4/node.example.com/udp/4001/webrtc-direct/certhash/${certhash}`, false, false],
  ['/ip4/147.75.87.27/udp/4001/webrtc-direct', false, false],
  ['/dns4/node.example.com/udp/443/wss', false, false],
  // relays
  [`/dns4/relay.example.com/tcp/443/wss/p2p/${relay}/p2p-circuit`, true, true],
  [`/ip4/127.0.0.1/tcp/4001/ws/p2p/${relay}/p2p-circuit`, false, true],
  [`/ip4/147.75.87.27/tcp/4001/p2p/${relay}/p2p-circuit`, false, false],
  [`/ip4/147.75.87.27/udp/4001/quic-v1/p2p/${relay}/p2p-circuit`, false, false],
  ['/dns4/relay.example.com/tcp/443/wss/p2p-circuit', false, false],
  [`/dns4/relay.example.com/tcp/443/wss/p2p/${relay}/p2p-circuit/webrtc`, true, true],
  [`/ip4/147.75.87.27/udp/4001/quic-v1/webtransport/certhash/${certhash}/p2p/${relay}/p2p-circuit`, true, true],
  [`/ip4/147.75.87.27/tcp/4001/p2p/${relay}/p2p-circuit/webrtc`, false, false],
  [`/dns4/relay.example.com/tcp/443/wss/p2p/${relay}/p2p-circuit/webrtc/webrtc`, false, false],
  ['/p2p-circuit', false, false],
]

for (const [text, publicly, locally] of table) {
  test(`${text} is ${publicly ? 'dialable' : locally ? 'dialable only where private addresses are allowed' : 'not dialable'}`, () => {
    const bytes = multiaddr(text).bytes
    const isQuiet = text.includes('/webrtc-direct/certhash/') || text.startsWith('/dnsaddr/')
    const way = { ...(text.includes('/p2p-circuit') ? { relayed: true } : {}), ...(isQuiet ? { quiet: true } : {}) }
    for (const [options, dialable] of [
      [open, publicly],
      [local, locally],
    ] as const) {
      const policy = createAddressPolicy(options)
      const { group } = policy(bytes)!
      assert.deepEqual(policy(bytes), { bytes, dialable, group, ...way })
      assert.deepEqual(
        policy(multiaddr(`${text}/p2p/${self}`).bytes, selfBytes),
        { bytes, dialable, group, ...way },
        'with the peer at its end',
      )
    }
  })
}

test('a transport that is off makes its addresses undialable', () => {
  const bytes = multiaddr('/dns4/node.example.com/tcp/443/wss').bytes
  const circuit = multiaddr(`/dns4/relay.example.com/tcp/443/wss/p2p/${relay}/p2p-circuit`).bytes
  const noRelay = createAddressPolicy({ ...open, transports: { ...allTransports, circuitRelay: false } })
  const noSockets = createAddressPolicy({ ...open, transports: { ...allTransports, webSockets: false } })
  assert.deepEqual([noRelay(bytes)?.dialable, noRelay(circuit)?.dialable], [true, false])
  assert.deepEqual([noSockets(bytes)?.dialable, noSockets(circuit)?.dialable], [false, false])
})

test('when WebRTC goes, its addresses are judged again', () => {
  const transports = { ...allTransports }
  const policy = createAddressPolicy({ ...open, transports })
  const direct = multiaddr(`/ip4/147.75.87.27/udp/4001/webrtc-direct/certhash/${certhash}`).bytes
  const relayed = multiaddr(`/dns4/relay.example.com/tcp/443/wss/p2p/${relay}/p2p-circuit/webrtc`).bytes
  const plain = multiaddr('/dns4/node.example.com/tcp/443/wss').bytes
  const verdicts = () => [direct, relayed, plain].map((bytes) => policy(bytes)?.dialable)
  assert.deepEqual(verdicts(), [true, true, true])
  transports.webRtc = false
  assert.deepEqual(verdicts(), [false, false, true])
})

test('an address that ends with another peer than the one it is said of is refused', () => {
  const policy = createAddressPolicy(open)
  const bytes = multiaddr(`/dns4/node.example.com/tcp/443/wss/p2p/${relay}`).bytes
  assert.equal(policy(bytes, selfBytes), undefined)
  assert.equal(policy(bytes, multiaddr(`/p2p/${relay}`).bytes.subarray(3))?.dialable, true)
})

test('private hosts of every kind are known', () => {
  const policy = createAddressPolicy(open)
  const dialable = (host: string) => policy(multiaddr(`${host}/tcp/443/wss`).bytes)?.dialable
  const privates = [
    ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.9.9.9', '169.254.1.1', '172.16.0.1', '172.31.255.255', '192.168.0.1'],
    ...['192.0.2.1', '198.18.0.1', '198.51.100.7', '203.0.113.9', '224.0.0.1', '255.255.255.255'],
  ].map((ip) => `/ip4/${ip}`)
  const privates6 = ['::', '::1', 'fe80::1', 'fc00::1', 'fd12:3456::1', 'ff02::1', '2001:db8::1', '::ffff:10.0.0.1'].map(
    (ip) => `/ip6/${ip}`,
  )
  for (const host of [...privates, ...privates6]) assert.equal(dialable(host), false, host)
  const publics = ['1.1.1.1', '100.63.0.1', '172.15.0.1', '172.32.0.1', '192.0.1.1', '198.20.0.1'].map((ip) => `/ip4/${ip}`)
  const publics6 = ['2606:4700::1111', '2001:4860::8888', '64:ff9b::808:808', '::ffff:8.8.8.8'].map((ip) => `/ip6/${ip}`)
  for (const host of [...publics, ...publics6]) assert.equal(dialable(host), true, host)
})

test('bytes that are no multiaddr are refused', () => {
  const policy = createAddressPolicy(local)
  const whole = multiaddr('/dns4/node.example.com/tcp/443/tls/sni/node.example.com').bytes
  assert.ok(policy(whole))
  for (const cut of [1, 3, 16, whole.length - 1]) assert.equal(policy(whole.subarray(0, cut)), undefined, `cut at ${cut}`)
  assert.equal(policy(new Uint8Array(0)), undefined)
  assert.equal(policy(multiaddr(`/p2p/${self}`).bytes), undefined, 'a peer id alone is no address')
  assert.equal(policy(Uint8Array.of(0xff, 0x7f)), undefined, 'an unknown protocol')
  assert.equal(policy(new Uint8Array(513)), undefined, 'over the limit')
})

test('an address is answered alike when it comes again, whatever came between', () => {
  const policy = createAddressPolicy(open)
  const addresses = table.map(([text]) => multiaddr(text).bytes)
  const first = addresses.map((bytes) => policy(bytes))
  for (let port = 1; port < 20_000; port++) policy(Uint8Array.of(4, 1, 1, 1, 1, 6, port >> 8, port & 255))
  assert.deepEqual(
    addresses.map((bytes) => policy(bytes)),
    first,
  )
  const again = policy(addresses[0]!.slice())
  assert.equal(policy(addresses[0]!.slice()), again, 'the very same object: it was remembered')
})

test('what is remembered does not change with the bytes that were handed in', () => {
  const policy = createAddressPolicy(open)
  const bytes = multiaddr('/dns4/node.example.com/tcp/443/wss').bytes.slice()
  const address = policy(bytes)!
  const copy = address.bytes.slice()
  bytes.fill(0)
  assert.deepEqual(address.bytes, copy)
})

test('random bytes and changed addresses never throw', () => {
  const policy = createAddressPolicy(open)
  const address = fc.constantFrom(...table.map(([text]) => multiaddr(text).bytes))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void policy(bytes, selfBytes)),
    { numRuns: 2_000 },
  )
  fc.assert(
    fc.property(address, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat(), (bytes, at, byte, cut) => {
      const changed = bytes.slice()
      changed[at % changed.length] = byte
      policy(changed.subarray(0, 1 + (cut % changed.length)))
    }),
    { numRuns: 2_000 },
  )
})

test('addresses of one network are of one group, by IPv4 /16 and IPv6 /32; private ones, relayed ones and plain names are of none', () => {
  const policy = createAddressPolicy(open)
  const groupOf = (text: string) => policy(multiaddr(text).bytes)?.group
  const same = [
    '/ip4/147.75.87.27/tcp/4001',
    '/ip4/147.75.1.2/udp/4001/quic-v1',
    '/dns4/147-75-87-27.k51abc.libp2p.direct/tcp/4001/tls/ws',
    '/ip6/::ffff:147.75.9.9/tcp/4001',
    '/ip6/64:ff9b::934b:901/tcp/4001',
  ]
  for (const text of same) assert.equal(groupOf(text), 147 * 256 + 75, text)
  const same6 = [
    '/ip6/2604:1380:4602:5c00::3/tcp/1',
    '/ip6/2604:1380::1/tcp/1',
    '/dns6/2604-1380--7.k51abc.libp2p.direct/tcp/1/tls/ws',
  ]
  for (const text of same6) assert.equal(groupOf(text), 65_536 + 0x26041380, text)
  assert.equal(groupOf('/ip6/2604::1/tcp/1'), 65_536 + 0x26040000)
  const none = [
    '/dns4/node.example.com/tcp/443/wss',
    '/dnsaddr/bootstrap.libp2p.io',
    '/ip4/127.0.0.1/tcp/4001/ws',
    '/ip4/192.168.1.5/tcp/4001',
    '/ip6/::1/tcp/4001',
    '/dns4/192-168-1-5.k51abc.libp2p.direct/tcp/4001/tls/ws',
    `/ip4/147.75.87.27/tcp/443/wss/p2p/${relay}/p2p-circuit`,
  ]
  for (const text of none) assert.equal(groupOf(text), undefined, text)
})
