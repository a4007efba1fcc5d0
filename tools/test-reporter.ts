import { writeFileSync } from 'node:fs'
import type { EventData } from 'node:test'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'

/**
 * What `npm test` shows of the unit tests: one line a file, and failures in full. Counts real tests, no suites, and
 * leaves the counts in the file that `TEST_COUNTS_FILE` names.
 */

export interface Counts {
  passed: number
  failed: number
  skipped: number
}

interface FileTally extends Counts {
  durationMs: number
}

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const files = new Map<string, FileTally>()
  const failures: string[] = []
  for await (const event of source) {
    switch (event.type) {
      case 'test:pass':
        count(files, event.data, event.data.skip !== undefined || event.data.todo !== undefined ? 'skipped' : 'passed')
        break
      case 'test:fail':
        count(files, event.data, 'failed')
        if (isLeaf(event.data)) failures.push(describe(event.data))
        break
      case 'test:stdout':
      case 'test:stderr':
        yield event.data.message
        break
      default:
        break
    }
  }
  for (const [file, tally] of [...files].sort(([a], [b]) => a.localeCompare(b, 'en'))) yield fileLine(file, tally)
  for (const failure of failures) yield failure
  leave(files)
}

type Outcome = EventData.TestPass | EventData.TestFail

/** Suites are no tests, and neither is the entry that stands for a whole file; both fail for what is in them. */
function isLeaf({ details, name, file }: Outcome): boolean {
  if (details.type === 'suite') return false
  const cause = 'error' in details ? (details.error as { failureType?: string } | undefined)?.failureType : undefined
  return cause !== 'subtestsFailed' && !(name === file && cause === undefined)
}

function count(files: Map<string, FileTally>, data: Outcome, outcome: keyof Counts): void {
  const file = relative(data.file ?? data.name)
  const tally = files.get(file) ?? { passed: 0, failed: 0, skipped: 0, durationMs: 0 }
  if (isLeaf(data)) tally[outcome]++
  if (data.nesting === 0) tally.durationMs += data.details.duration_ms
  files.set(file, tally)
}

function fileLine(file: string, { passed, failed, skipped, durationMs }: FileTally): string {
  const words = [`${passed} passed`, ...(failed > 0 ? [`${failed} FAILED`] : []), ...(skipped > 0 ? [`${skipped} skipped`] : [])]
  return `${failed > 0 ? '✖' : '✔'} ${file}: ${words.join(', ')} (${Math.round(durationMs)} ms)\n`
}

function describe({ name, file, line, details }: EventData.TestFail): string {
  const error = details.error
  const cause = error.cause ?? error
  return `\n✖ ${name}\n  ${relative(file ?? '')}:${line ?? ''}\n${indent(typeof cause === 'string' ? cause : inspect(cause))}\n`
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '    ')
}

function relative(file: string): string {
  return file.replace(`${process.cwd()}/`, '').replaceAll('\\', '/')
}

function leave(files: ReadonlyMap<string, FileTally>): void {
  const path = process.env['TEST_COUNTS_FILE']
  if (path === undefined) return
  const total: Counts = { passed: 0, failed: 0, skipped: 0 }
  for (const { passed, failed, skipped } of files.values()) {
    total.passed += passed
    total.failed += failed
    total.skipped += skipped
  }
  writeFileSync(path, JSON.stringify(total))
}
