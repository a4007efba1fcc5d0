import { access, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { type BuildOptions, build, type Metafile, type OutputFile, type Plugin } from 'esbuild'
import { cborgIsPure, debugIsSilent, limitsAreNumbers } from './lean-worker.ts'
import { root, runTool, ToolError } from './shell.ts'

/**
 * `npm run build`: what the package consists of, in `dist/`. The bundles of the page's doors and of the Worker, the declarations that
 * `exports.types` points to, and esbuild's own account of the bundles for `size.ts`.
 */

interface Bundle {
  readonly name: 'index' | 'helia' | 'libp2p' | 'worker'
  readonly entry: string
  readonly options: BuildOptions
}

/** The user's own copy of multiformats, else its CIDs would be of another class than ours. */
const MULTIFORMATS = ['multiformats', 'multiformats/*']

/** The other doors take the client from `index.js`: one `AminoError`, and one place that opens the Worker. */
const CLIENT_STAYS_OUTSIDE: Plugin = {
  name: 'client-stays-outside',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/index\.ts$/ }, () => ({ path: './index.js', external: true }))
  },
}

const BUNDLES: readonly Bundle[] = [
  { name: 'index', entry: 'src/index.ts', options: { external: MULTIFORMATS } },
  { name: 'helia', entry: 'src/helia.ts', options: { external: MULTIFORMATS, plugins: [CLIENT_STAYS_OUTSIDE] } },
  {
    name: 'libp2p',
    entry: 'src/libp2p.ts',
    // A peer id carries keys and their cryptography; whoever runs a libp2p has all that already.
    options: { external: [...MULTIFORMATS, '@libp2p/peer-id'], plugins: [CLIENT_STAYS_OUTSIDE] },
  },
  { name: 'worker', entry: 'worker/host/main.ts', options: { plugins: [limitsAreNumbers, cborgIsPure, debugIsSilent] } },
]

/**
 * `platform: 'browser'` takes the `browser` condition of `exports` and the `browser` maps of package.json, by which
 * libp2p swaps its Node files; both are as true in a Worker. No `conditions` of our own: they would displace `module`.
 */
const COMMON: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: ['es2023', 'chrome119', 'firefox121', 'safari17.4'],
  minify: true,
  sourcemap: 'linked',
  legalComments: 'none',
  metafile: true,
  write: false,
  logLevel: 'silent',
}

async function main(): Promise<void> {
  const startedAt = performance.now()
  for (const { entry } of BUNDLES) await requireEntry(entry)
  for (const bundle of BUNDLES) await emit(bundle)
  await emitTypes()
  if (!process.argv.includes('--quiet')) console.log(`dist/ is built (${Math.round(performance.now() - startedAt)} ms).`)
}

async function requireEntry(entry: string): Promise<void> {
  try {
    await access(join(root, entry))
  } catch {
    throw new ToolError(`${entry} does not exist: there is nothing to build yet.`)
  }
}

async function emit({ name, entry, options }: Bundle): Promise<void> {
  const outfile = join(root, 'dist', `${name}.js`)
  const { outputFiles, metafile } = await bundle({ ...COMMON, ...options, entryPoints: [entry], outfile }, entry)
  for (const file of outputFiles) await put(file.path, file.contents)
  await put(join(root, 'dist', 'meta', `${name}.json`), JSON.stringify(metafile))
}

async function bundle(options: BuildOptions, entry: string): Promise<{ outputFiles: OutputFile[]; metafile: Metafile }> {
  try {
    const { outputFiles = [], metafile } = await build(options)
    if (metafile === undefined) throw new ToolError(`esbuild gave no metafile for ${entry}.`)
    return { outputFiles, metafile }
  } catch (error) {
    throw new ToolError(`Bundling ${entry} failed:\n${error instanceof Error ? error.message : String(error)}`)
  }
}

/** By way of another name, so that a command that runs beside us reads the old file or the new one, never half of it. */
async function put(path: string, contents: string | Uint8Array): Promise<void> {
  const draft = `${path}.${process.pid}.tmp`
  await mkdir(dirname(path), { recursive: true })
  try {
    await writeFile(draft, contents)
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw new ToolError(`Writing ${relative(root, path)} failed: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function emitTypes(): Promise<void> {
  const { code, output } = await runTool('typescript', 'tsc', ['-b', 'src'])
  if (code !== 0) throw new ToolError(`The declarations of src/ could not be made:\n${output}`)
}

try {
  await main()
} catch (error) {
  console.error(error instanceof ToolError ? error.message : error)
  process.exitCode = 1
}
