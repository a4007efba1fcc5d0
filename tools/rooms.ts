import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { parseSync } from 'oxc-parser'
import { root } from './shell.ts'

/**
 * Who may import what: the table of `docs/architecture.md`, in the one place that is checked. `npm run lint` walks all
 * sources and names every import that the table does not allow.
 */

interface Room {
  readonly path: string
  /** Folders or files of other rooms that it may import; a name covers all below it. */
  readonly may: readonly string[]
  /** Taken out of `may` again. */
  readonly never?: readonly string[]
  /** Packages by name, or by scope as `@libp2p/*`; `node:*` for Node's own. */
  readonly packages: readonly string[]
  /** Packages of which it may import types only. */
  readonly types?: readonly string[]
}

const LIBP2P = ['libp2p', '@libp2p/*', '@chainsafe/*', '@multiformats/*', 'multiformats', 'ipns']
const VALUES = ['multiformats']
/** Parts of the engine, with what of each the others may not see: of connections all speak the contract. */
const PARTS: Readonly<Record<string, string>> = {
  'worker/engine/kad': 'worker/engine/kad',
  'worker/engine/bitswap': 'worker/engine/bitswap',
  'worker/engine/provide': 'worker/engine/provide',
  'worker/engine/connections': 'worker/engine/connections/connections.ts',
}
const BUILT = 'amino-worker'

/** A file belongs to the room with the longest path above it. */
export const ROOMS: readonly Room[] = [
  { path: 'worker/contract', may: [], packages: [] },
  { path: 'worker/engine', may: [], packages: [...VALUES, '@noble/hashes'] },
  ...Object.keys(PARTS).map((path) => ({
    path,
    may: ['worker/engine'],
    never: Object.entries(PARTS).flatMap(([other, hidden]) => (other === path ? [] : [hidden])),
    packages: [...VALUES, '@noble/hashes'],
  })),
  { path: 'worker/wire', may: ['worker/engine'], packages: [...VALUES, 'protons-runtime', 'uint8arraylist'] },
  {
    path: 'worker/host',
    may: ['worker/contract', 'worker/engine', 'worker/wire'],
    packages: [...LIBP2P, '@noble/hashes', 'comlink', 'idb', 'uint8arraylist'],
  },
  {
    path: 'src',
    may: ['worker/contract'],
    packages: [...VALUES, 'comlink', '@multiformats/multiaddr', '@libp2p/peer-id'],
    types: ['helia', '@libp2p/interface'],
  },
  { path: 'sim', may: ['worker/engine', 'worker/wire'], packages: [...VALUES, '@noble/hashes'] },
  { path: 'sim/cli', may: ['sim'], packages: ['node:*'] },
  { path: 'demo/page', may: [], packages: [BUILT, ...VALUES, 'ipfs-unixfs-exporter'], types: ['@libp2p/interface'] },
  {
    path: 'demo/swarm',
    may: [],
    packages: [...LIBP2P, 'helia', '@helia/*', 'blockstore-core', 'datastore-core', 'ipfs-unixfs-importer', 'node:*'],
  },
  { path: 'demo', may: ['demo/swarm', 'demo/page'], packages: ['@playwright/test', 'esbuild', 'node:*'] },
  {
    path: 'test',
    may: ['worker', 'src', 'sim', 'demo', 'tools', 'node_modules'],
    packages: ['*', 'node:*'],
  },
  {
    path: 'test-browser',
    may: ['worker/contract', 'demo', 'examples'],
    packages: ['*', 'node:*'],
  },
  {
    path: 'examples',
    may: ['demo'],
    packages: [BUILT, ...VALUES, 'helia', '@helia/*', 'node:*'],
  },
  {
    path: 'bench',
    may: [
      ...['worker/engine', 'worker/wire', 'worker/contract', 'worker/host/store', 'sim', 'demo'],
      ...['test-browser/interop', 'tools/kubo.ts'],
    ],
    packages: ['*', 'node:*'],
  },
  { path: 'tools', may: [], packages: ['@microsoft/api-extractor', 'esbuild', 'oxc-parser', 'playwright', 'node:*'] },
]

/** What the root's own configuration files may import. */
const ROOT_ROOM: Room = { path: '', may: ['demo'], packages: ['@playwright/test', 'node:*'] }

interface Import {
  readonly specifier: string
  readonly typesOnly: boolean
}

/** One sentence for each import of `source` that breaks a rule. `file` is relative to the root, with `/`. */
export function checkFile(file: string, source: string): string[] {
  const room = roomOf(file)
  return importsOf(file, source).flatMap((found) => {
    const broken = found.specifier.startsWith('.') ? checkRelative(file, room, found.specifier) : checkPackage(room, found)
    return broken === undefined ? [] : [`${file}: ${broken}`]
  })
}

export function roomOf(file: string): Room {
  const above = ROOMS.filter(({ path }) => isWithin(file, path))
  return above.reduce((deepest, room) => (room.path.length > deepest.path.length ? room : deepest), ROOT_ROOM)
}

function checkRelative(file: string, room: Room, specifier: string): string | undefined {
  const target = posix.normalize(posix.join(dirname(file), specifier))
  if (!/\.(ts|mjs|js|json)$/.test(target)) return `"${specifier}" must end in the file's own extension.`
  if (target.startsWith('../')) return `"${specifier}" leaves the repository.`
  const isOwn = roomOf(target) === room || (isWithin(target, room.path) && room.path !== '')
  if (isOwn) return undefined
  const allowed = room.may.some((path) => isWithin(target, path)) && !(room.never ?? []).some((path) => isWithin(target, path))
  return allowed ? undefined : `${room.path === '' ? 'the root' : room.path} may not import ${target}.`
}

function checkPackage(room: Room, { specifier, typesOnly }: Import): string | undefined {
  const name = packageName(specifier)
  if (matches(room.packages, name)) return undefined
  const asTypes = matches(room.types ?? [], name)
  if (asTypes && typesOnly) return undefined
  return asTypes ? `${room.path} may import only types from ${name}.` : `${room.path} may not import ${name}.`
}

function packageName(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

function matches(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => {
    if (pattern === '*') return !name.startsWith('node:')
    return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
  })
}

function isWithin(file: string, path: string): boolean {
  return file === path || file.startsWith(`${path}/`)
}

function importsOf(file: string, source: string): Import[] {
  const { module, errors } = parseSync(file, source)
  if (errors.length > 0) throw new Error(`${file} cannot be parsed: ${errors[0]?.message ?? ''}`)
  const found: Import[] = []
  for (const { moduleRequest, entries } of module.staticImports) {
    const typesOnly = entries.length > 0 && entries.every(({ isType }) => isType)
    found.push({ specifier: moduleRequest.value, typesOnly })
  }
  for (const { entries } of module.staticExports) {
    for (const { moduleRequest, isType } of entries) {
      if (moduleRequest) found.push({ specifier: moduleRequest.value, typesOnly: isType })
    }
  }
  for (const { moduleRequest } of module.dynamicImports) {
    found.push({ specifier: literal(source.slice(moduleRequest.start, moduleRequest.end)), typesOnly: false })
  }
  return found
}

/** What a dynamic import names; a computed name is judged by its text, which no rule allows. */
function literal(text: string): string {
  return /^(['"`])([^'"`$]*)\1$/.exec(text)?.[2] ?? text
}

/** All sources, relative to the root, with `/`. */
export function sourceFiles(): string[] {
  const rooms = new Set(ROOMS.map(({ path }) => path.split('/')[0] as string))
  const below = [...rooms].flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).map((file) =>
      posix.join(room, file.replaceAll('\\', '/')),
    ),
  )
  const files = [...below, ...readdirSync(root, 'utf8')]
  return files.filter((file) => /\.(ts|mjs)$/.test(file) && !file.endsWith('.d.ts')).sort()
}

if (import.meta.main) {
  const files = sourceFiles()
  const broken = files.flatMap((file) => checkFile(file, readFileSync(join(root, file), 'utf8')))
  for (const sentence of broken) console.error(sentence)
  console.log(`${files.length} files, ${broken.length} forbidden ${broken.length === 1 ? 'import' : 'imports'}.`)
  process.exitCode = broken.length === 0 ? 0 : 1
}
