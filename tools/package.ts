import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pack } from './pack.ts'
import { root, runFile, runTool, ToolError } from './shell.ts'

/**
 * The package as strangers get it: what is in the tarball, how many packages come with it, whether every resolver finds
 * module and types of every door, and whether the public API is the one that was written down.
 */

/** Ours and what it needs. */
const INSTALLED_MAX = 5
/** Nothing else belongs there. */
const CONTENTS =
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/[a-z0-9]+\.js(\.map)?|dist\/(src|src\/rtc-bridge|worker\/contract)\/[a-z0-9-]+\.d\.ts)$/

interface LockEntry {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

async function main(): Promise<void> {
  const folder = join(root, '.cache', `package-${process.pid}`)
  try {
    const { file, contents } = await pack(folder)
    const strangers = contents.filter((path) => !CONTENTS.test(path))
    if (strangers.length > 0) throw new ToolError(`The tarball has what does not belong there: ${strangers.join(', ')}.`)
    checkInstalled()
    await Promise.all([
      checked('publint', runTool('publint', 'publint', [file, '--strict'])),
      // A Worker's script is not imported, so that it has no types.
      checked(
        'are-the-types-wrong',
        runTool('@arethetypeswrong/cli', 'attw', [
          file,
          '--profile',
          'esm-only',
          '--exclude-entrypoints',
          'worker',
          'package.json',
          '--no-color',
        ]),
      ),
      checked('the API report', runFile(process.execPath, ['tools/api.ts', '--check'])),
    ])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function checked(what: string, running: Promise<{ code: number; output: string }>): Promise<void> {
  const { code, output } = await running
  if (code !== 0) throw new ToolError(`${what} objects:\n${output.trimEnd()}`)
}

/** By the lock file, which says what npm would install beside us. */
function checkInstalled(): void {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockEntry>
  }
  const installed = new Set(['amino-worker'])
  const waiting = Object.keys(packages['']?.dependencies ?? {})
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (installed.has(name)) continue
    installed.add(name)
    const entry = packages[`node_modules/${name}`]
    waiting.push(...Object.keys({ ...entry?.dependencies, ...entry?.optionalDependencies }))
  }
  if (installed.size <= INSTALLED_MAX) return
  throw new ToolError(
    `Installing the package brings ${installed.size} packages, more than ${INSTALLED_MAX}: ${[...installed].join(', ')}.`,
  )
}

try {
  await main()
} catch (error) {
  console.error(error instanceof ToolError ? error.message : error)
  process.exitCode = 1
}
