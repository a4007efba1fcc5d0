import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextStage, type WantStage, type WantStageEvent } from '../../../worker/engine/bitswap/want-stage.ts'
import { limits } from '../../../worker/engine/limits.ts'

const stages: { [T in WantStage['type']]: Extract<WantStage, { type: T }> } = {
  loading: { type: 'loading', until: 10 },
  seeking: { type: 'seeking' },
  waning: { type: 'waning', until: 10 },
  failed: { type: 'failed', code: 'not-found' },
  done: { type: 'done' },
}

const events: readonly WantStageEvent[] = ['missed', 'time-up', 'exhausted', 'revived', 'stalled', 'ended']

/** Rows: stage before. Columns: events in the order above. `fault`: we would never do that. */
const table: Record<WantStage['type'], string> = {
  loading: 'seeking seeking fault fault failed done',
  seeking: 'seeking seeking waning seeking failed done',
  waning: 'waning failed waning seeking failed done',
  failed: 'failed failed failed failed failed failed',
  done: 'done done done done done done',
}

for (const type of Object.keys(stages) as WantStage['type'][]) {
  test(`a want that is ${type} goes where the table says, for every event`, () => {
    const found = events.map((event) => {
      try {
        return nextStage(stages[type], event, 5).type
      } catch {
        return 'fault'
      }
    })
    assert.deepEqual(found, table[type].split(' '))
  })
}

test('a want that nobody can answer fails as not found, one that stalls as timed out', () => {
  assert.deepEqual(nextStage(stages.waning, 'time-up', 5), { type: 'failed', code: 'not-found' })
  assert.deepEqual(nextStage(stages.seeking, 'stalled', 5), { type: 'failed', code: 'timeout' })
  assert.deepEqual(nextStage(stages.seeking, 'exhausted', 5), { type: 'waning', until: 5 + limits.notFoundGraceMs.value })
})
