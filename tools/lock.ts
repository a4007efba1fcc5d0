import { readFileSync, writeFileSync } from 'node:fs'

/**
 * `npm run lock`: completes package-lock.json after `npm install`. Where a registry mirror does not carry the binaries
 * of other platforms, npm leaves them out of the lock file without a word, and `npm ci` then refuses it everywhere. The
 * entries written here say version and platform; with `--check` nothing is written and missing ones are an error.
 */

interface LockEntry {
  readonly version?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly dev?: boolean
  readonly cpu?: readonly string[]
  readonly os?: readonly string[]
  readonly libc?: readonly string[]
  readonly optional?: boolean
}

interface Lock {
  packages: Record<string, LockEntry>
}

const SYSTEMS: ReadonlySet<string> = new Set([
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
])

/** Returns the paths that were missing; `lock` is complete afterwards. */
export function completeLock(lock: Lock): string[] {
  const missing: string[] = []
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const platform = platformOf(name)
      const isThere = `node_modules/${name}` in lock.packages || `${path}/node_modules/${name}` in lock.packages
      if (platform === undefined || isThere) continue
      missing.push(`node_modules/${name}`)
      lock.packages[`node_modules/${name}`] = {
        version,
        ...(entry.dev === true ? { dev: true } : {}),
        optional: true,
        ...platform,
      }
    }
  }
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'))
  lock.packages = Object.fromEntries(sorted)
  return missing
}

/** `@biomejs/cli-linux-x64-musl` → linux, x64, musl. Undefined for names that tell no platform. */
function platformOf(name: string): Pick<LockEntry, 'cpu' | 'os' | 'libc'> | undefined {
  const words = (name.split('/').at(-1) as string).split('-')
  const at = words.findIndex((word) => SYSTEMS.has(word))
  const [system, cpu, flavour] = words.slice(at)
  if (at === -1 || system === undefined || cpu === undefined) return undefined
  return { cpu: [cpu], os: [system], ...libcOf(system, flavour) }
}

function libcOf(system: string, flavour: string | undefined): { libc?: readonly string[] } {
  if (system !== 'linux' || flavour === undefined) return {}
  return { libc: [flavour.startsWith('musl') ? 'musl' : 'glibc'] }
}

if (import.meta.main) {
  const file = new URL('../package-lock.json', import.meta.url)
  const lock = JSON.parse(readFileSync(file, 'utf8')) as Lock
  const missing = completeLock(lock)
  if (process.argv.includes('--check')) {
    for (const path of missing) console.error(`package-lock.json lacks ${path}: run \`npm run lock\`.`)
    process.exitCode = missing.length === 0 ? 0 : 1
  } else {
    writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
    console.log(
      missing.length === 0 ? 'package-lock.json is complete.' : `package-lock.json: ${missing.length} platform packages added.`,
    )
  }
}
