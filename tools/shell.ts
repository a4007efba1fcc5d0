import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What the tools share: the repository's root, their kind of error, and running a program of node_modules. */

export const root = fileURLToPath(new URL('..', import.meta.url))

/** Something the user can understand and do something about; shown without a stack. */
export class ToolError extends Error {
  override readonly name = 'ToolError'
}

export interface Finished {
  readonly code: number
  /** Standard output and standard error as they came. */
  readonly output: string
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv
  /** Shown while it comes, besides being kept. */
  readonly live?: boolean
}

/** Runs a program of an installed package with this very Node: no shell, no `.cmd` file, no download. */
export function runTool(
  packageName: string,
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const { file, isScript } = programFile(packageName, program)
  return isScript ? runFile(process.execPath, [file, ...args], options) : runFile(file, args, options)
}

export function runFile(file: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: root, env: options.env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const take = (data: Buffer) => {
      output += data
      if (options.live === true) process.stdout.write(data)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.on('error', (error) => resolve({ code: 1, output: `${file}: ${error.message}` }))
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
  })
}

function programFile(packageName: string, program: string): { file: string; isScript: boolean } {
  const manifest = manifestOf(packageName)
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { bin?: string | Record<string, string> }
  const path = typeof bin === 'string' ? bin : bin?.[program]
  if (path === undefined) throw new ToolError(`The package ${packageName} has no program ${program}.`)
  const file = join(dirname(manifest), path)
  return { file, isScript: readFileSync(file).subarray(0, 2).toString('latin1') === '#!' || /\.[cm]?js$/.test(file) }
}

function manifestOf(packageName: string): string {
  const paths = createRequire(join(root, 'package.json')).resolve.paths(packageName) ?? []
  for (const folder of paths) {
    const manifest = join(folder, packageName, 'package.json')
    try {
      readFileSync(manifest)
      return manifest
    } catch {
      // Next folder up.
    }
  }
  throw new ToolError(`The package ${packageName} is not installed: run the command through npm, which installs it.`)
}
