import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Query, QueryStage } from '../../../worker/engine/kad/queries/contract.ts'
import { newRun, type Run, type RunPurpose } from '../../../worker/engine/kad/run.ts'
import { Turns } from '../../../worker/engine/kad/turns.ts'
import { limits } from '../../../worker/engine/limits.ts'
import type { QueryId } from '../../../worker/engine/query.ts'
import { key8 } from '../../support/kad-peers.ts'
import { KadNetwork } from '../../support/kad-network.ts'

const query = 1 as QueryId
const urgent: RunPurpose = { type: 'command', query }
const background: RunPurpose = { type: 'command', query, lane: 'background' }
const refresh: RunPurpose = { type: 'table-lookup', isRepair: false }
const direct: RunPurpose = { type: 'command', query, lane: 'background', isDirect: true }

function runOf(purpose: RunPurpose, stage: QueryStage = 'walking'): Run {
  const machine: Query = { target: key8(0), stage, handle: () => {}, poll: () => undefined, nextDeadline: () => undefined }
  return newRun(machine, purpose, 0)
}

/** What begins of those that wait, in order. */
function begun(turns: Turns, now = 0): Run[] {
  const runs: Run[] = []
  for (let run = turns.next(); run !== undefined; run = turns.next()) {
    run.begunAt = now
    turns.begin(run)
    runs.push(run)
  }
  return runs
}

function wait(turns: Turns, purpose: RunPurpose, count: number, stage?: QueryStage): Run[] {
  const runs = Array.from({ length: count }, () => runOf(purpose, stage))
  for (const run of runs) turns.wait(run)
  return runs
}

describe('turns', () => {
  const max = limits.kadSearchesMax.value

  test('a few searches run at once, the first that came', () => {
    const turns = new Turns()
    const runs = wait(turns, urgent, max + 2)
    assert.deepEqual(begun(turns), runs.slice(0, max))
    turns.end(runs[1]!, 10)
    assert.deepEqual(begun(turns), [runs[max]])
    assert.deepEqual([turns.running, turns.queued], [max, 1])
  })

  test('less urgent ones keep none waiting, more urgent ones do', () => {
    const turns = new Turns()
    const [backgrounds, refreshes] = [wait(turns, background, max), wait(turns, refresh, 1)]
    assert.deepEqual(begun(turns), backgrounds)
    const urgents = wait(turns, urgent, max)
    assert.deepEqual(begun(turns), urgents)
    for (const run of urgents) turns.end(run, 10)
    assert.deepEqual(begun(turns), [])
    turns.end(backgrounds[0]!, 10)
    assert.deepEqual(begun(turns), refreshes)
  })

  test('what concerns one given peer is no search, and what waits for an address searches for nothing yet', () => {
    const turns = new Turns()
    const gated = wait(turns, urgent, max, 'gated')
    const others = [...wait(turns, direct, 10), ...wait(turns, urgent, max)]
    const began = begun(turns)
    assert.equal(began.length, gated.length + others.length)
    assert.deepEqual(begun(turns), [])
    wait(turns, direct, limits.kadRunningQueriesMax.value)
    begun(turns)
    assert.equal(turns.running, limits.kadRunningQueriesMax.value)
  })

  test('the repair of the table waits for no search: those may be waiting for what it finds', () => {
    const turns = new Turns()
    wait(turns, urgent, max)
    begun(turns)
    const repair = wait(turns, { type: 'table-lookup', isRepair: true }, 1)
    assert.deepEqual(begun(turns), repair)
  })

  test('how long another would wait follows from how fast searches end, for those that go before it', () => {
    const turns = new Turns()
    wait(turns, urgent, max)
    const first = begun(turns)
    wait(turns, urgent, 5)
    assert.equal(turns.expectedWaitMs(urgent), 0)
    // Four in eight seconds. Of the three that are left nothing is learned: they have more places to dial.
    turns.end(first[0]!, 8_000)
    turns.end(first[1]!, 9_000)
    assert.equal(turns.expectedWaitMs(urgent), 5 * 2_000)
    wait(turns, background, 3)
    assert.equal(turns.expectedWaitMs(urgent), 5 * 2_000)
    assert.equal(turns.expectedWaitMs(background), 8 * 2_000)
    assert.equal(turns.expectedWaitMs(direct), 0)
  })
})

test('of equal urgency the page and the engine take turns: a block does not wait for a hundred searches of the page', () => {
  const turns = new Turns()
  const engine: RunPurpose = { type: 'command', query: -2 as QueryId }
  const pages = wait(turns, urgent, 10)
  assert.deepEqual(begun(turns), pages.slice(0, 4))
  const blocks = wait(turns, engine, 3)
  turns.end(pages[0]!, 10)
  turns.end(pages[1]!, 10)
  assert.deepEqual(begun(turns), blocks.slice(0, 2))
  turns.end(pages[2]!, 10)
  assert.deepEqual(begun(turns), [pages[4]])
  turns.end(blocks[0]!, 10)
  assert.deepEqual(begun(turns), [blocks[2]])
  // As many of each: the first that came.
  turns.end(pages[3]!, 10)
  assert.deepEqual(begun(turns), [pages[5]])
})

test('the time of a search begins with its turn; one whose turn does not come in time ends as if it had been refused', () => {
  // Not started: whoever has a turn is held until its time is over.
  const network = new KadNetwork({ seed: 1, peers: 10 })
  const [queueMs, searchMs] = [limits.kadQueueTimeoutMs.value, limits.kadQueryTimeoutMs.value]
  const begin = (): QueryId => {
    const id = network.queryId()
    network.handle({ type: 'closest-peers', query: id, key: Uint8Array.of(1) })
    return id
  }
  const rounds = Math.ceil(queueMs / searchMs)
  for (let index = 0; index < rounds * limits.kadSearchesMax.value; index++) begin()
  const inVain = begin()
  const freeAt = rounds * searchMs
  network.run(freeAt - queueMs + 1)
  const later = begin()
  network.run(queueMs)
  assert.equal(network.ending(inVain)?.failure?.code, 'too-many-queries')
  network.run(freeAt)
  assert.deepEqual([network.kad.status().runningQueries, network.kad.status().queuedQueries], [1, 0])
  network.run(freeAt + searchMs - 1)
  assert.equal(network.ending(later), undefined)
  network.run(freeAt + searchMs)
  assert.equal(network.ending(later)?.failure?.code, 'timeout')
})

test('a search that would wait too long is refused at once, but not one whose answer is at hand', () => {
  const network = new KadNetwork({ seed: 1, peers: 80 })
  const search = (index: number): QueryId => {
    const id = network.queryId()
    network.handle({ type: 'closest-peers', query: id, key: Uint8Array.of(2, index) })
    return id
  }
  // Not started: each takes all of its time, four at once.
  const searchMs = limits.kadQueryTimeoutMs.value
  const max = limits.kadSearchesMax.value
  for (let index = 0; index < max; index++) search(index)
  network.run(searchMs)
  assert.equal(network.kad.status().activeQueries, 0)
  const [known] = network.peers
  network.start([{ id: known!.peer.id, addresses: known!.addresses, lastUsefulAt: 0 }])
  const refused = (id: QueryId) => network.ending(id)?.failure?.code === 'too-many-queries'
  const accepted = max + limits.kadQueueWaitMs.value / (searchMs / max) + 1
  for (let index = 0; index < accepted; index++) assert.equal(refused(search(index)), false)
  assert.equal(refused(search(accepted)), true)
  const atHand = network.queryId()
  network.handle({ type: 'find-peer', query: atHand, id: known!.peer.id })
  assert.equal(network.ending(atHand)?.result?.type, 'find-peer')
})
