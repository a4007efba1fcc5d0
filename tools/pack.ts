import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { runFile, ToolError } from './shell.ts'

/** `node tools/pack.ts FOLDER`: packs the built package into the folder, as `npm publish` would, and prints the file's path. */

interface Packed {
  readonly filename: string
  readonly files: readonly { readonly path: string }[]
}

export interface Tarball {
  readonly file: string
  /** Paths in the package. */
  readonly contents: readonly string[]
}

export async function pack(folder: string): Promise<Tarball> {
  mkdirSync(folder, { recursive: true })
  // npm by the very file that runs us where there is one: `npm` itself is a shell script on Windows.
  const script = process.env['npm_execpath']
  const [program, before] = script === undefined ? ['npm', []] : [process.execPath, [script]]
  const args = ['pack', '--json', '--ignore-scripts', '--loglevel=silent', `--pack-destination=${folder}`]
  const { code, output } = await runFile(program, [...before, ...args])
  if (code !== 0) throw new ToolError(`npm pack failed:\n${output}`)
  // A list by npm 11, an object by name since.
  const packed = Object.values(JSON.parse(output) as Record<string, Packed>)[0]
  if (packed === undefined) throw new ToolError('npm pack packed nothing.')
  return { file: join(folder, packed.filename), contents: packed.files.map(({ path }) => path) }
}

if (import.meta.main) {
  try {
    const [folder] = process.argv.slice(2)
    if (folder === undefined) throw new ToolError('Say into which folder: node tools/pack.ts FOLDER.')
    console.log((await pack(folder)).file)
  } catch (error) {
    console.error(error instanceof ToolError ? error.message : error)
    process.exitCode = 1
  }
}
