import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { stageVariable } from './stage-info.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const startMs = 60_000

/** Builds the package, and starts one swarm and one server for all specs. Playwright calls what it returns at the end. */
export default async function setUp(): Promise<() => Promise<void>> {
  await buildPackage()
  const stage = spawn(process.execPath, ['test-browser/support/stage-process.ts'], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  process.env[stageVariable] = await firstLine(stage)
  return async () => {
    const ended = once(stage, 'exit')
    stage.stdin.end()
    await ended
  }
}

export async function buildPackage(): Promise<void> {
  const child = spawn(process.execPath, ['tools/build.ts'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error('The build failed; "npm run build" says why.')
}

async function firstLine(stage: ChildProcess): Promise<string> {
  const { stdout } = stage
  if (stdout === null) throw new Error('The stage has no output.')
  const lines = createInterface({ input: stdout })
  const late = AbortSignal.timeout(startMs)
  const line = once(lines, 'line', { signal: late }).then(([text]) => text as string)
  const ended = once(stage, 'exit', { signal: late }).then(() => {
    throw new Error('The swarm of the specs ended before it was up.')
  })
  try {
    return await Promise.race([line, ended])
  } finally {
    line.catch(() => undefined)
    ended.catch(() => undefined)
  }
}
