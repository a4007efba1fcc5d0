import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeLock } from '../../tools/lock.ts'

function lockWith(optionalDependencies: Record<string, string>, there: Record<string, { version: string }> = {}) {
  return { packages: { '': {}, 'node_modules/tool': { version: '1.0.0', dev: true, optionalDependencies }, ...there } }
}

test('a platform package that npm left out gets an entry with version and platform', () => {
  const lock = lockWith({ '@tool/cli-linux-x64-musl': '1.0.0', '@tool/cli-darwin-arm64': '1.0.0' })
  assert.deepEqual(completeLock(lock), ['node_modules/@tool/cli-linux-x64-musl', 'node_modules/@tool/cli-darwin-arm64'])
  const packages: Record<string, unknown> = lock.packages
  assert.deepEqual(packages['node_modules/@tool/cli-linux-x64-musl'], {
    version: '1.0.0',
    dev: true,
    optional: true,
    cpu: ['x64'],
    os: ['linux'],
    libc: ['musl'],
  })
  assert.deepEqual(completeLock(lock), [])
})

test("what is there already stays as it is, and optional packages for every platform are npm's own business", () => {
  const lock = lockWith(
    { '@tool/linux-x64': '1.0.0', 'lucky-number': '2.0.0' },
    { 'node_modules/@tool/linux-x64': { version: '1.0.0' } },
  )
  assert.deepEqual(completeLock(lock), [])
  assert.deepEqual(lock.packages['node_modules/@tool/linux-x64' as keyof typeof lock.packages], { version: '1.0.0' })
})
