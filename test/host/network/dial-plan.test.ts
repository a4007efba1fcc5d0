import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import type { TransportName } from '../../../worker/contract/service.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { DialPlanner } from '../../../worker/host/network/dial-plan.ts'
import { transportOf } from '../../../worker/host/network/transport-name.ts'

const peer = Uint8Array.of(1, 2, 3)
const all = (['relay', 'webrtc', 'webrtc-direct', 'webtransport', 'websocket'] as const).map((transport) => ({
  transport,
  target: transport,
}))

function order(planner: DialPlanner, of: Uint8Array = peer): TransportName[] {
  return planner.plan(of, all).map(({ transport }) => transport)
}

test('transports are tried by what they cost, a relayed connection last', () => {
  assert.deepEqual(order(new DialPlanner()), ['websocket', 'webtransport', 'webrtc-direct', 'webrtc', 'relay'])
})

test('addresses of one transport stay together, in their order', () => {
  const plan = new DialPlanner().plan(peer, [
    { transport: 'webtransport', target: 'a' },
    { transport: 'websocket', target: 'b' },
    { transport: 'webtransport', target: 'c' },
  ])
  assert.deepEqual(plan, [
    { transport: 'websocket', targets: ['b'] },
    { transport: 'webtransport', targets: ['a', 'c'] },
  ])
})

test('what a peer was reached by goes first, until it fails there, and says nothing of other peers', () => {
  const planner = new DialPlanner()
  planner.succeeded(peer, 'webrtc-direct')
  assert.equal(order(planner)[0], 'webrtc-direct')
  assert.equal(order(planner, Uint8Array.of(9))[0], 'websocket')
  planner.failed(peer, 'webrtc-direct')
  assert.equal(order(planner)[0], 'websocket')
})

test('a relay that worked still goes last', () => {
  const planner = new DialPlanner()
  planner.succeeded(peer, 'relay')
  assert.equal(order(planner).at(-1), 'relay')
})

test('a transport that fails with everybody goes behind, until it works or the network changes', () => {
  const planner = new DialPlanner()
  const fail = (): void => {
    for (let index = 0; index < limits.transportMistrustFailures.value; index++)
      planner.failed(Uint8Array.of(index), 'webtransport')
  }
  fail()
  assert.deepEqual(order(planner), ['websocket', 'webrtc-direct', 'webrtc', 'webtransport', 'relay'])
  planner.succeeded(Uint8Array.of(77), 'webtransport')
  assert.equal(order(planner)[1], 'webtransport')
  fail()
  planner.forget()
  assert.equal(order(planner)[1], 'webtransport')
})

test('what is remembered of peers is bounded; the oldest goes', () => {
  const planner = new DialPlanner()
  planner.succeeded(peer, 'webrtc')
  for (let index = 0; index < limits.workedTransportsMax.value; index++) {
    planner.succeeded(Uint8Array.of(index >> 8, index & 255), 'websocket')
  }
  assert.equal(order(planner)[0], 'websocket')
})

test('an address says which transport it is of', () => {
  const id = 'QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN'
  const hash = 'uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ'
  const table: readonly [string, TransportName | undefined][] = [
    ['/dns4/a.example/tcp/443/wss', 'websocket'],
    ['/dns4/a.example/tcp/443/tls/ws', 'websocket'],
    [`/ip4/1.2.3.4/udp/1/quic-v1/webtransport/certhash/${hash}`, 'webtransport'],
    [`/ip4/1.2.3.4/udp/1/webrtc-direct/certhash/${hash}`, 'webrtc-direct'],
    [`/dns4/a.example/tcp/443/wss/p2p/${id}/p2p-circuit`, 'relay'],
    [`/ip4/1.2.3.4/udp/1/webrtc-direct/certhash/${hash}/p2p/${id}/p2p-circuit`, 'relay'],
    [`/dns4/a.example/tcp/443/wss/p2p/${id}/p2p-circuit/webrtc`, 'webrtc'],
    [`/webrtc/p2p/${id}`, 'webrtc'],
    ['/dnsaddr/a.example', undefined],
  ]
  for (const [text, name] of table) assert.equal(transportOf(multiaddr(text)), name, text)
})
