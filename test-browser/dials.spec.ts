import { test as base, expect } from './support/fixtures.ts'
import { type PeerHost, startPeerHost, webRtcDirectListen, webSocketListen } from './support/peer-host.ts'
import { openSilentHost, openSilentUdp, silentWebTransport } from './support/silent-host.ts'

/** Dials over WebRTC, which need the page's thread, and the race between transports. */

const peers = 25
const rounds = 4

const test = base.extend<object, { host: PeerHost }>({
  host: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures from this pattern
    async ({}, use) => {
      const host = await startPeerHost({ peers, listen: [webSocketListen, webRtcDirectListen] })
      await use(host)
      await host.end()
    },
    { scope: 'worker', timeout: 60_000 },
  ],
})

test('A hundred dials over WebRTC succeed while the page is busy at random', async ({ lab, host }) => {
  test.setTimeout(120_000)
  const only = host.peers.map(({ id, multiaddrs }) => ({ id, multiaddrs: multiaddrs.filter(isWebRtcDirect) }))
  const before = await host.count()
  const seen = await lab.evaluate(
    async ({ given, cid, times }) => {
      const quiet = window.lab.jitter(60)
      const transports = { webSocket: false, webTransport: false }
      const reasons: string[] = []
      const connections: number[] = []
      for (let round = 0; round < times; round++) {
        const client = await window.lab.start('one', { bootstrap: [], transports })
        // As many as may be pending: a slow dial gives its place to one that waits, and these would be slow.
        const probes = await window.lab.eachOf(given, 8, (peer) => client.probe(cid, peer))
        reasons.push(...probes.map(({ reason }) => reason))
        connections.push((await client.status()).transports['webrtc-direct'].connections)
        await client.stop()
      }
      return { reasons, connections, busyMs: quiet(), peerConnections: window.lab.peerConnections() }
    },
    { given: only, cid: host.cids[0] ?? '', times: rounds },
  )
  expect(seen.reasons).toEqual(Array.from({ length: peers * rounds }, () => 'block'))
  expect(seen.connections).toEqual(Array.from({ length: rounds }, () => peers))
  expect(seen.peerConnections.open).toBe(0)
  expect(seen.busyMs).toBeGreaterThan(0)
  expect((await host.count()).opened - before.opened).toBe(peers * rounds)
})

test('When the Worker dies the page closes all its peer connections', async ({ lab, host }) => {
  const only = host.peers.map(({ id, multiaddrs }) => ({ id, multiaddrs: multiaddrs.filter(isWebRtcDirect) }))
  const seen = await lab.evaluate(
    async ({ given, cid }) => {
      const worker = new Worker('/worker.js', { type: 'module' })
      const client = await window.lab.start('one', { bootstrap: [], worker, transports: { webSocket: false } })
      await window.lab.eachOf(given, 8, (peer) => client.probe(cid, peer))
      const { open } = window.lab.peerConnections()
      const died = new Promise((resolve) => client.addEventListener('died', resolve, { once: true }))
      worker.terminate()
      await died
      return { open, left: window.lab.peerConnections().open }
    },
    { given: only, cid: host.cids[0] ?? '' },
  )
  expect(seen).toEqual({ open: peers, left: 0 })
  await expect.poll(async () => (await host.count()).open).toBe(0)
})

test('A dead address of one transport does not keep a peer from being reached by another', async ({ lab, host }) => {
  const silent = await openSilentHost()
  const silentUdp = await openSilentUdp()
  try {
    const [first, second] = host.peers
    const cases = [
      { ...first, multiaddrs: [silentWebTransport(silentUdp.port), ...addressesOf(first, isWebSocket)] },
      // The silent WebSocket goes first: it is cheaper, and nothing is known against it.
      { ...second, multiaddrs: [silent.address.replace(/\/p2p\/.*/, ''), ...addressesOf(second, isWebRtcDirect)] },
    ]
    const seen = await lab.evaluate(
      async ({ given, cid }) => {
        const client = await window.lab.start('one', { bootstrap: [] })
        const reasons = []
        for (const { id = '', multiaddrs } of given) reasons.push((await client.probe(cid, { id, multiaddrs })).reason)
        const { transports } = await client.status()
        const entries = Object.entries(transports).map(([name, { connections }]) => [name, connections])
        return { reasons, connections: Object.fromEntries(entries) as Record<string, number> }
      },
      { given: cases, cid: host.cids[0] ?? '' },
    )
    expect(seen.reasons).toEqual(['block', 'block'])
    expect(seen.connections).toMatchObject({ websocket: 1, 'webrtc-direct': 1, webtransport: 0 })
    expect(silent.accepted()).toBe(1)
  } finally {
    await silent.close()
    await silentUdp.close()
  }
})

function addressesOf(peer: { readonly multiaddrs: readonly string[] } | undefined, like: (address: string) => boolean): string[] {
  return (peer?.multiaddrs ?? []).filter(like)
}

function isWebRtcDirect(address: string): boolean {
  return address.includes('/webrtc-direct/')
}

function isWebSocket(address: string): boolean {
  return address.includes('/ws/')
}
