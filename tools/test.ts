import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { findKubo } from './kubo.ts'
import { root, runFile, runTool } from './shell.ts'
import type { Counts } from './test-reporter.ts'

/**
 * `npm test`: every stage, one after the other, whatever the earlier ones said; then a table, and the counts as the
 * last line. `npm test -- unit types` runs only those. A static stage counts as one test.
 */

interface Outcome extends Counts {
  /** Said in the table after a stage that did not pass. */
  readonly note?: string
}

interface Stage {
  readonly name: string
  readonly run: () => Promise<Outcome>
  /** A stage without which this one can say nothing. */
  readonly after?: string
  /** Present where the stage runs only when it is named, or asked for by this. */
  readonly asked?: boolean
}

interface Row {
  readonly name: string
  readonly outcome: Outcome
  readonly durationMs: number
}

const LINTED = [
  'worker',
  'src',
  'sim',
  'demo',
  'examples',
  'test',
  'test-browser',
  'bench',
  'tools',
  'playwright.config.ts',
  'playwright.interop.config.ts',
]
const OUTPUT_LINES_MAX = 200
const passed: Outcome = { passed: 1, failed: 0, skipped: 0 }
const failed: Outcome = { passed: 0, failed: 1, skipped: 0 }

const STAGES: readonly Stage[] = [
  { name: 'format', run: () => quiet(runTool('@biomejs/biome', 'biome', ['format', '.'])) },
  { name: 'lint', run: () => quiet(runTool('oxlint', 'oxlint', ['--type-aware', '--deny-warnings', ...LINTED])) },
  { name: 'rooms', run: () => quiet(runOwn('tools/rooms.ts')) },
  { name: 'lock', run: () => quiet(runOwn('tools/lock.ts', '--check')) },
  { name: 'build', run: () => quiet(runOwn('tools/build.ts', '--quiet')) },
  { name: 'types', run: () => quiet(runTool('typescript', 'tsc', ['-b'])) },
  { name: 'knip', run: () => quiet(runTool('knip', 'knip', ['--no-progress'])) },
  { name: 'unit', run: unitTests },
  { name: 'size', run: () => shown(runOwn('tools/size.ts')), after: 'build' },
  { name: 'package', run: () => quiet(runOwn('tools/package.ts')), after: 'build' },
  { name: 'browser', run: browserTests, after: 'build' },
  { name: 'interop', run: interopTests, after: 'build', asked: process.env['AMINO_INTEROP'] === '1' },
]

async function main(): Promise<number> {
  const wanted = process.argv.slice(2)
  const unknown = wanted.filter((name) => !STAGES.some((stage) => stage.name === name))
  if (unknown.length > 0) {
    console.error(
      `There is no stage "${unknown[0]}": take some of ${STAGES.map(({ name }) => name).join(', ')}, or none for all.`,
    )
    return 1
  }
  const rows: Row[] = []
  for (const stage of STAGES) {
    if (wanted.length > 0 ? !wanted.includes(stage.name) : stage.asked === false) continue
    const blocked = rows.some(({ name, outcome }) => name === stage.after && outcome.failed > 0)
    rows.push(await perform(stage, blocked))
  }
  console.log(`\n${table(rows)}`)
  const total = rows.reduce(
    (sum, { outcome }) => ({ passed: sum.passed + outcome.passed, failed: sum.failed + outcome.failed }),
    {
      passed: 0,
      failed: 0,
    },
  )
  console.log(`${total.passed} passed, ${total.failed} failed`)
  return total.failed === 0 ? 0 : 1
}

async function perform(stage: Stage, blocked: boolean): Promise<Row> {
  if (blocked) return { name: stage.name, outcome: { ...failed, note: `not run: ${stage.after} failed` }, durationMs: 0 }
  console.log(`\n── ${stage.name}`)
  const startedAt = performance.now()
  const outcome = await stage.run()
  return { name: stage.name, outcome, durationMs: performance.now() - startedAt }
}

function runOwn(...args: string[]) {
  return runFile(process.execPath, args)
}

/** Says something only when there is something wrong. */
async function quiet(running: Promise<{ code: number; output: string }>): Promise<Outcome> {
  const { code, output } = await running
  if (code === 0) return passed
  const lines = output.trimEnd().split('\n')
  console.log(lines.slice(0, OUTPUT_LINES_MAX).join('\n'))
  if (lines.length > OUTPUT_LINES_MAX) console.log(`… and ${lines.length - OUTPUT_LINES_MAX} lines more.`)
  return failed
}

async function shown(running: Promise<{ code: number; output: string }>): Promise<Outcome> {
  const { code, output } = await running
  console.log(output.trimEnd())
  return code === 0 ? passed : failed
}

async function unitTests(): Promise<Outcome> {
  const counts = scratchFile('unit')
  const args = ['--test', '--test-reporter=./tools/test-reporter.ts', '--test-reporter-destination=stdout', 'test/**/*.test.ts']
  const { code } = await runFile(process.execPath, args, { env: { ...process.env, TEST_COUNTS_FILE: counts }, live: true })
  return verdict(code, () => JSON.parse(readFileSync(counts, 'utf8')) as Counts)
}

function browserTests(): Promise<Outcome> {
  return playwright('browser', [])
}

/** Against real Kubo. Where there is none, that is a failure only for whoever named the stage. */
async function interopTests(): Promise<Outcome> {
  const found = await findKubo((what) => console.log(what))
  if ('missing' in found) {
    console.log(`The interop tests with Kubo were NOT run: ${found.missing}.`)
    const isNamed = process.argv.slice(2).includes('interop')
    return { passed: 0, failed: isNamed ? 1 : 0, skipped: isNamed ? 0 : 1, note: 'not run: no Kubo' }
  }
  console.log(`Kubo is from ${found.how}.`)
  return playwright('interop', ['--config=playwright.interop.config.ts'], { KUBO_BIN: found.binary })
}

async function playwright(name: string, options: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const report = scratchFile(name)
  const env = { ...process.env, ...more, PLAYWRIGHT_JSON_OUTPUT_FILE: report, FORCE_COLOR: '0' }
  const { code } = await runTool('@playwright/test', 'playwright', ['test', '--reporter=list,json', ...options], {
    env,
    live: true,
  })
  return verdict(code, () => {
    const { stats } = JSON.parse(readFileSync(report, 'utf8')) as {
      stats: Record<'expected' | 'unexpected' | 'flaky' | 'skipped', number>
    }
    return { passed: stats.expected, failed: stats.unexpected + stats.flaky, skipped: stats.skipped }
  })
}

/** A runner that ends badly, or without a single test, has failed even where no test of it did. */
function verdict(code: number, read: () => Counts): Outcome {
  try {
    const counts = read()
    if (counts.failed === 0 && code !== 0) return { ...counts, failed: 1, note: `the runner ended with code ${code}` }
    if (counts.passed + counts.failed === 0) return { ...counts, failed: 1, note: 'no tests were found' }
    return counts
  } catch {
    return { ...failed, note: 'the runner left no report' }
  }
}

/** In `.cache`, by process: two runs side by side do not read each other's counts. */
function scratchFile(name: string): string {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const file = join(root, '.cache', `counts-${name}-${process.pid}.json`)
  process.once('exit', () => rmSync(file, { force: true }))
  return file
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ name, outcome, durationMs }) => {
    const mark = outcome.failed === 0 ? '✔' : '✖'
    const skipped = outcome.skipped > 0 ? `, ${outcome.skipped} skipped` : ''
    const note = outcome.note === undefined ? '' : `  (${outcome.note})`
    const counts = `${String(outcome.passed).padStart(5)} passed ${String(outcome.failed).padStart(4)} failed${skipped}`
    return `${mark} ${name.padEnd(8)} ${(durationMs / 1000).toFixed(1).padStart(6)} s ${counts}${note}`
  })
  return `${lines.join('\n')}\n`
}

process.exitCode = await main()
