import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { abandonedOwners, clear, tryAcquire } from '../../../tools/setup/lock.mjs'

function place(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'amino-lock-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'cache', 'setup.lock')
}

/** As a process left it that was killed. 2^22 is the highest id on Linux. */
function abandon(lock: string): void {
  mkdirSync(lock, { recursive: true })
  writeFileSync(join(lock, `${2 ** 22 + 1}.gone`), '')
}

test('a held lock is given to nobody else, and is free again when it is given back', (t) => {
  const lock = place(t)
  const owner = tryAcquire(lock)
  assert.ok(owner)
  assert.deepEqual(abandonedOwners(lock), [])
  assert.equal(tryAcquire(lock), undefined)
  clear(lock, [owner])
  assert.equal(existsSync(lock), false)
  assert.ok(tryAcquire(lock))
})

test('two that both find an abandoned lock: the later one does not clear away what the first has taken', (t) => {
  const lock = place(t)
  abandon(lock)
  const seenByFirst = abandonedOwners(lock)
  const seenBySecond = abandonedOwners(lock)
  assert.equal(seenByFirst.length, 1)
  clear(lock, seenByFirst)
  const first = tryAcquire(lock)
  clear(lock, seenBySecond)
  assert.equal(tryAcquire(lock), undefined)
  assert.deepEqual(readdirSync(lock), [first])
})

test('the lock of an earlier version, with a file that names nobody, counts as abandoned', (t) => {
  const lock = place(t)
  mkdirSync(lock, { recursive: true })
  writeFileSync(join(lock, 'pid'), '1')
  clear(lock, abandonedOwners(lock))
  assert.ok(tryAcquire(lock))
})

test('an attempt that fails leaves nothing beside the lock', (t) => {
  const lock = place(t)
  tryAcquire(lock)
  tryAcquire(lock)
  assert.deepEqual(readdirSync(join(lock, '..')), ['setup.lock'])
})
