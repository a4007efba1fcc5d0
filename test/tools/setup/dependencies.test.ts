import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { requireOwnModules } from '../../../tools/setup/dependencies.mjs'

test('nothing is installed through a node_modules that is a link into another tree', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'amino-modules-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [tree, other] = [join(folder, 'tree'), join(folder, 'other')]
  for (const each of [tree, other]) mkdirSync(join(each, 'node_modules'), { recursive: true })
  requireOwnModules(tree)
  rmSync(join(tree, 'node_modules'), { recursive: true })
  requireOwnModules(tree)
  symlinkSync(join(other, 'node_modules'), join(tree, 'node_modules'), 'junction')
  assert.throws(() => requireOwnModules(tree), { message: /is a link, .* remove the link/ })
})
