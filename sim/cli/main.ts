import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Experiment, Options, Result } from '../experiments/experiment.ts'
import { experiments } from '../experiments/list.ts'
import { svgOf } from './plot.ts'
import { runSideBySide } from './side-by-side.ts'
import { consoleText, markdownPage } from './text.ts'

/**
 * `npm run sim -- list | NAME [--seed N] [--seeds N] [--peers N] [--json] | report [NAME …]`. Prints seed and settings before
 * anything else, so that a run that breaks can be done again.
 */
const HELP = `npm run sim -- list                 what there is
npm run sim -- NAME                 runs an experiment and prints its tables
    --seed N    first seed            --seeds N   worlds, with seeds N, N + 1, …
    --peers N   servers of a world    --json      the whole result as one line of JSON
npm run sim -- report [NAME …]      runs all, or some, at full size; writes docs/results/NAME.md and plots
`

class UsageError extends Error {}

async function main(): Promise<void> {
  const { values, positionals } = parse()
  const [command = 'help', ...names] = positionals
  if (values.help === true || command === 'help') {
    process.stdout.write(HELP)
  } else if (command === 'list') {
    const width = Math.max(...experiments.map(({ name }) => name.length))
    for (const { name, title } of experiments) console.log(`${name.padEnd(width)}  ${title}`)
  } else if (command === 'report') {
    const chosen = names.length === 0 ? experiments : names.map(find)
    for (const experiment of chosen) await report(experiment, optionsOf(values, experiment.reportOptions))
  } else {
    const experiment = find(command)
    const options = optionsOf(values, experiment.defaults)
    printHead(experiment, options)
    const result = await run(experiment, options)
    console.log(values.json === true ? JSON.stringify(result) : `\n${consoleText(result)}`)
  }
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        seed: { type: 'string' },
        seeds: { type: 'string' },
        peers: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function find(name: string): Experiment {
  const found = experiments.find((experiment) => experiment.name === name)
  if (found === undefined) throw new UsageError(`There is no experiment "${name}": \`npm run sim -- list\` names them.`)
  return found
}

function optionsOf(values: ReturnType<typeof parse>['values'], defaults: Options): Options {
  const number = (name: 'seed' | 'seeds' | 'peers', least: number) => {
    const text = values[name]
    if (text === undefined) return defaults[name]
    const value = Number(text)
    if (!Number.isInteger(value) || value < least) throw new UsageError(`--${name} is a whole number from ${least} on.`)
    return value
  }
  return { seed: number('seed', 0), seeds: number('seeds', 1), peers: number('peers', 30) }
}

function printHead({ name }: Experiment, options: Options): void {
  const flags = Object.entries(options).map(([option, value]) => `--${option} ${value}`)
  process.stderr.write(
    `${name}: seed ${options.seed}, ${JSON.stringify(options)}\n  again: npm run sim -- ${name} ${flags.join(' ')}\n`,
  )
}

async function run(experiment: Experiment, options: Options): Promise<Result> {
  const { parts } = experiment
  const progress = (line: string) => process.stderr.write(`  ${line}\n`)
  if (parts === undefined) return experiment.run(options, progress)
  return runSideBySide(new URL('part.ts', import.meta.url), { ...experiment, parts }, options, progress)
}

async function report(experiment: Experiment, options: Options): Promise<void> {
  printHead(experiment, options)
  const result = await run(experiment, options)
  const folder = join(import.meta.dirname, '..', '..', 'docs', 'results')
  mkdirSync(folder, { recursive: true })
  const flags = Object.entries(options).map(([option, value]) => `--${option} ${value}`)
  const page = markdownPage(experiment.title, `npm run sim -- report ${experiment.name} ${flags.join(' ')}`, result)
  writeFileSync(join(folder, `${experiment.name}.md`), page)
  for (const plot of result.plots) writeFileSync(join(folder, `${experiment.name}-${plot.name}.svg`), svgOf(plot))
  console.log(`docs/results/${experiment.name}.md`)
}

try {
  await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(`${error.message}\n\n${HELP}`)
  process.exitCode = 1
}
