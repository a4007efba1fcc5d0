import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import type { Metafile } from 'esbuild'
import { root, ToolError } from './shell.ts'

/**
 * `npm run size`: how big the bundles are, what they are made of, and whether they keep to their budgets. Reads what
 * `build.ts` left in `dist/`.
 */

interface Budget {
  readonly name: 'index' | 'helia' | 'libp2p' | 'worker'
  readonly title: string
  readonly gzipMax: number
}

const KILOBYTE = 1024
const BUDGETS: readonly Budget[] = [
  { name: 'index', title: 'page, without multiformats', gzipMax: 10.5 * KILOBYTE },
  { name: 'helia', title: 'page, for Helia, beside that', gzipMax: 10 * KILOBYTE },
  { name: 'libp2p', title: 'page, for libp2p, beside that', gzipMax: 10 * KILOBYTE },
  { name: 'worker', title: 'Worker', gzipMax: 244 * KILOBYTE },
]
/** Packages below this share of a bundle are summed up. */
const SHARE_MIN = 0.01

export interface Sizes {
  readonly raw: number
  readonly gzip: number
  readonly brotli: number
}

export function measure(bytes: Uint8Array): Sizes {
  return { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotliCompressSync(bytes).length }
}

/** Bytes of each package in a bundle, most first; our own rooms by name. */
export function packagesOf(metafile: Metafile): [name: string, bytes: number][] {
  const totals = new Map<string, number>()
  for (const { inputs } of Object.values(metafile.outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      const name = ownerOf(path)
      totals.set(name, (totals.get(name) ?? 0) + bytesInOutput)
    }
  }
  return [...totals].sort(([nameA, a], [nameB, b]) => b - a || nameA.localeCompare(nameB, 'en'))
}

function ownerOf(path: string): string {
  const inPackage = path.split('node_modules/').at(-1) as string
  if (inPackage !== path) return inPackage.split('/', inPackage.startsWith('@') ? 2 : 1).join('/')
  return path.startsWith('worker/') ? path.split('/', 2).join('/') : (path.split('/')[0] as string)
}

function main(): void {
  let exceeded = false
  const rows = [['', 'raw', 'gzip', 'brotli', 'budget (gzip)']]
  const details: string[] = []
  for (const { name, title, gzipMax } of BUDGETS) {
    const sizes = measure(readBuilt(`${name}.js`))
    const fits = sizes.gzip <= gzipMax
    exceeded ||= !fits
    rows.push([
      title,
      kilobytes(sizes.raw),
      kilobytes(sizes.gzip),
      kilobytes(sizes.brotli),
      `${kilobytes(gzipMax)}${fits ? '' : ' EXCEEDED'}`,
    ])
    details.push(`\n${title}, by package (minified, in KB):`, ...breakdown(name))
  }
  console.log(table(rows).concat(details).join('\n'))
  if (exceeded) throw new ToolError('A bundle is over its budget: see above what it is made of.')
}

function breakdown(name: string): string[] {
  const packages = packagesOf(JSON.parse(readBuilt(`meta/${name}.json`).toString()) as Metafile)
  const total = packages.reduce((sum, [, bytes]) => sum + bytes, 0)
  const shown = packages.filter(([, bytes]) => bytes >= total * SHARE_MIN)
  const rest = total - shown.reduce((sum, [, bytes]) => sum + bytes, 0)
  const rows = shown.map(([owner, bytes]) => [`  ${owner}`, kilobytes(bytes)])
  if (rest > 0) rows.push([`  ${packages.length - shown.length} smaller ones`, kilobytes(rest)])
  return table(rows)
}

function readBuilt(path: string): Buffer {
  try {
    return readFileSync(join(root, 'dist', path))
  } catch {
    throw new ToolError(`dist/${path} is not there: run \`npm run build\` first.`)
  }
}

function kilobytes(bytes: number): string {
  return (bytes / KILOBYTE).toFixed(1)
}

/** First column to the left, the others to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows.map((row) =>
    row
      .map((cell, column) => pad(cell, widths[column] ?? 0, column === 0))
      .join('  ')
      .trimEnd(),
  )
}

function pad(cell: string, width: number, left: boolean): string {
  return left ? cell.padEnd(width) : cell.padStart(width)
}

if (import.meta.main) {
  try {
    main()
  } catch (error) {
    console.error(error instanceof ToolError ? error.message : error)
    process.exitCode = 1
  }
}
