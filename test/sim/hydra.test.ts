import assert from 'node:assert/strict'
import { test } from 'node:test'
import { balancedHeads } from '../../sim/experiments/coverage.ts'
import { liveness } from '../../sim/experiments/liveness.ts'
import { peerFilter } from '../../sim/experiments/peer-filter.ts'
import { aminoWorld } from '../../sim/world/settings.ts'
import { type HydraSettings, World } from '../../sim/world/world.ts'
import { keyOf, type PeerIdBytes } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'

const heads = balancedHeads(new Rng(77), 40)
const worldWith = (hydra: Partial<HydraSettings>) =>
  new World({ ...aminoWorld, seed: 1, peers: 400 }, { heads, isDatabaseOn: true, delayMs: 0, ...hydra })
const cid = Uint8Array.of(0x12, 32, ...new Rng(2).bytes(32))
const provider = { id: new Rng(3).bytes(34) as PeerIdBytes, addresses: [] }
const ask = (world: World, server: number) => world.answer(server, { type: 'get-providers', key: cid }, 0)
const headsIn = ({ population }: World) =>
  Array.from({ length: population.size }, (_, server) => server).filter((server) => population.isHead(server))

test('a head tells of what another head was told, once, and of nothing when the database is off', () => {
  const world = worldWith({})
  const [first, second] = headsIn(world) as [number, number]
  world.addProvider(first, cid, provider)
  world.addProvider(second, cid, provider)
  assert.deepEqual(ask(world, second).providers, [provider])
  const off = worldWith({ isDatabaseOn: false })
  off.addProvider(first, cid, provider)
  assert.deepEqual(ask(off, first).providers, [])
  assert.ok(ask(off, first).closer.length > 0, 'and goes on naming peers')
})

test('heads name those of their table, everybody, or nobody, and stay unless they leave', () => {
  assert.equal(ask(worldWith({ names: 'nobody' }), headsIn(worldWith({}))[0]!).closer.length, 0)
  const world = worldWith({ names: 'everybody' })
  for (const head of headsIn(world)) {
    const named = ask(world, head).closer.map(({ id }) => world.serverOf(id))
    const isOther = (server: number) => server !== head && world.population.isOnline(server, 0)
    assert.deepEqual(named, world.population.nearest(keyOf(cid), 20, isOther))
  }
  const online = (hydra: Partial<HydraSettings>) => {
    const { population } = worldWith(hydra)
    return headsIn(worldWith(hydra)).filter((head) => population.isOnline(head, 7_200_000)).length
  }
  assert.equal(online({}), heads.length)
  assert.ok(online({ leaves: true }) < heads.length)
})

test('a server stays online from one time to another if it never was offline in between', () => {
  const { population } = worldWith({})
  let [stayed, left] = [0, 0]
  for (let server = 0; server < 200; server++) {
    const to = 6 * 3_600_000
    let isOnline = true
    for (let time = 0; time <= to; time += 60_000) isOnline &&= population.isOnline(server, time)
    if (isOnline) stayed++
    else left++
    // Breaks of less than a minute are not seen here.
    if (population.staysOnline(server, 0, to)) assert.ok(isOnline)
  }
  assert.ok(stayed > 50 && left > 50)
})

test('19 of 20 servers that keep a record lose as little as 20 of them over two days (B8)', () => {
  const { tables } = liveness.run({ seed: 5, seeds: 1, peers: 400 }, () => {})
  const rows = tables[0]!.rows
  assert.equal(rows.length, 12)
  for (const [keeps, again, , stored, least, , , without, found] of rows) {
    const mean = (cell: unknown) => (cell as { mean: number }).mean
    assert.ok(mean(least) < mean(stored))
    if (again === 'never' || keeps === 'no head') continue
    assert.equal(mean(without), 0)
    assert.equal(mean(found), 100)
  }
})

test('heads that say nothing are asked less than those that name peers, and denied ones never (B7)', () => {
  const { tables } = peerFilter.run({ seed: 6, seeds: 1, peers: 400 }, () => {})
  const toHeads = (label: string) =>
    tables[0]!.rows.filter(([arm]) => arm === label).reduce((sum, [, , count]) => sum + (count as { mean: number }).mean, 0)
  assert.equal(toHeads('denied'), 0)
  assert.ok(toHeads('say nothing') > 0)
  assert.ok(
    toHeads('say nothing') < 0.7 * toHeads('name closer peers'),
    `${toHeads('say nothing')}, ${toHeads('name closer peers')}`,
  )
})
