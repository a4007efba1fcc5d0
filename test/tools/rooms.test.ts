import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkFile, ROOMS, roomOf, sourceFiles } from '../../tools/rooms.ts'
import { root } from '../../tools/shell.ts'

interface Case {
  readonly file: string
  readonly source: string
  readonly why: string
}

const FORBIDDEN: readonly Case[] = [
  { file: 'worker/engine/engine.ts', source: "import { createLibp2p } from 'libp2p'", why: 'may not import libp2p' },
  { file: 'worker/engine/engine.ts', source: "import { randomBytes } from 'node:crypto'", why: 'may not import node:crypto' },
  {
    file: 'worker/engine/kad/kad.ts',
    source: "import type { Want } from '../bitswap/want.ts'",
    why: 'may not import worker/engine/bitswap/want.ts',
  },
  {
    file: 'worker/engine/bitswap/want.ts',
    source: "export * from '../kad/kad.ts'",
    why: 'may not import worker/engine/kad/kad.ts',
  },
  {
    file: 'worker/engine/kad/kad.ts',
    source: "import { Connections } from '../connections/connections.ts'",
    why: 'may not import worker/engine/connections/connections.ts',
  },
  {
    file: 'worker/engine/connections/connections.ts',
    source: "import type { Kad } from '../kad/kad.ts'",
    why: 'may not import worker/engine/kad/kad.ts',
  },
  {
    file: 'worker/engine/kad/lookup.ts',
    source: "import { driver } from '../../host/driver.ts'",
    why: 'may not import worker/host/driver.ts',
  },
  {
    file: 'worker/contract/service.ts',
    source: "import type { CID } from 'multiformats/cid'",
    why: 'may not import multiformats',
  },
  { file: 'worker/wire/kad.ts', source: "import { openDB } from 'idb'", why: 'may not import idb' },
  { file: 'worker/host/main.ts', source: "import { client } from '../../src/index.ts'", why: 'may not import src/index.ts' },
  {
    file: 'src/index.ts',
    source: "import { Engine } from '../worker/engine/engine.ts'",
    why: 'may not import worker/engine/engine.ts',
  },
  {
    file: 'src/index.ts',
    source: "import { peerIdFromString } from '@libp2p/interface'",
    why: 'only types from @libp2p/interface',
  },
  {
    file: 'src/index.ts',
    source: "const { x } = await import('../worker/host/main.ts')",
    why: 'may not import worker/host/main.ts',
  },
  { file: 'sim/network.ts', source: "import '../worker/host/driver.ts'", why: 'may not import worker/host/driver.ts' },
  {
    file: 'demo/page/main.ts',
    source: "import { createAminoClient } from '../../src/index.ts'",
    why: 'may not import src/index.ts',
  },
  { file: 'tools/build.ts', source: "import { Engine } from '../worker/engine/engine.ts'", why: 'may not import' },
  { file: 'src/index.ts', source: "import { x } from './errors'", why: "file's own extension" },
]

for (const { file, source, why } of FORBIDDEN) {
  test(`${file} is told off for: ${source}`, () => {
    const broken = checkFile(file, source)
    assert.equal(broken.length, 1)
    assert.ok(broken[0]?.startsWith(`${file}: `) && broken[0].includes(why), String(broken[0]))
  })
}

const ALLOWED: readonly Omit<Case, 'why'>[] = [
  { file: 'worker/engine/engine.ts', source: "import { Kad } from './kad/kad.ts'" },
  { file: 'worker/engine/kad/kad.ts', source: "import type { Peer } from '../peer.ts'" },
  { file: 'worker/engine/kad/kad.ts', source: "import type { Priority } from '../connections/contract.ts'" },
  { file: 'worker/engine/peer.ts', source: "import { sha256 } from '@noble/hashes/sha2.js'" },
  { file: 'worker/host/main.ts', source: "import { Engine } from '../engine/engine.ts'\nimport { expose } from 'comlink'" },
  { file: 'src/index.ts', source: "import type { PeerId } from '@libp2p/interface'\nimport { wrap } from 'comlink'" },
  { file: 'demo/page/main.ts', source: "import { createAminoClient } from 'amino-worker'" },
]

for (const { file, source } of ALLOWED) {
  test(`${file} may say: ${source.replaceAll('\n', '; ')}`, () => {
    assert.deepEqual(checkFile(file, source), [])
  })
}

test('a file belongs to the deepest room above it', () => {
  assert.equal(roomOf('worker/engine/kad/lookup.ts').path, 'worker/engine/kad')
  assert.equal(roomOf('worker/engine/engine.ts').path, 'worker/engine')
  assert.equal(roomOf('demo/page/main.ts').path, 'demo/page')
  assert.equal(roomOf('playwright.config.ts').path, '')
})

test('the walk meets the sources, and every one of them belongs to a room or to the root itself', () => {
  const files = sourceFiles()
  assert.ok(files.includes('worker/engine/limits.ts') && files.includes('tools/run.mjs'))
  for (const file of files) assert.ok(roomOf(file).path !== '' || !file.includes('/'), file)
})

test('the room of each tsconfig stands in the table, and the other way round, so that no room escapes the type check', () => {
  const { references } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as { references: { path: string }[] }
  const parts = ROOMS.map(({ path }) => path).filter((path) => !/^worker\/engine\/./.test(path))
  assert.deepEqual(references.map(({ path }) => path).sort(), [...parts].sort())
})

test('the engine sees neither platform nor DOM: its tsconfig has the bare language only', () => {
  const { compilerOptions } = JSON.parse(readFileSync(join(root, 'worker/engine/tsconfig.json'), 'utf8')) as {
    compilerOptions: { lib: string[]; types: string[] }
  }
  assert.deepEqual(compilerOptions.lib, ['ES2023'])
  assert.deepEqual(compilerOptions.types, [])
})
