import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What all set-up steps share: where we are, how we talk, how we fail, how we run a program. Plain JavaScript for old Nodes. */

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Ends the set-up with one sentence for the user: what failed, and what to do. */
export class SetupError extends Error {}

/** @param {string} line */
export function say(line) {
  process.stderr.write(`· ${line}\n`)
}

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()

/** Ends the programs that `run` has under way: a set-up that is broken off leaves no npm behind. */
export function endRunning() {
  for (const child of running) child.kill('SIGTERM')
}

/**
 * Runs a program to its end and keeps what it wrote.
 *
 * @param {string} file
 * @param {readonly string[]} args
 * @param {{ timeoutMs?: number, env?: NodeJS.ProcessEnv, shell?: boolean }} [options]
 * @returns {Promise<{ ok: boolean, output: string }>}
 */
export function run(file, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: root,
      env: options.env ?? process.env,
      shell: options.shell ?? false,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: 'SIGKILL' }),
    })
    running.add(child)
    let output = ''
    child.stdout.on('data', (data) => (output += data))
    child.stderr.on('data', (data) => (output += data))
    child.on('error', (error) => resolve({ ok: false, output: error.message }))
    child.on('close', (code) => {
      running.delete(child)
      resolve({ ok: code === 0, output })
    })
  })
}

/**
 * npm, by the very file that runs us where there is one: `npm` itself is a shell script on Windows.
 *
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
export function npm(args, env = process.env) {
  const script = process.env['npm_execpath']
  if (script?.endsWith('.js')) return run(process.execPath, [script, ...args], { env })
  return run('npm', args, { env, shell: process.platform === 'win32' })
}

/**
 * The lines of a failed program that say most, made into the end of a sentence.
 *
 * @param {string} output
 */
export function lastWords(output) {
  const lines = output
    .split('\n')
    .map((line) => line.replace(/^npm (error|ERR!)\s*/, '').trim())
    .filter((line) => line !== '' && !/complete log of this run|^(a complete|code |errno |syscall )/i.test(line))
  const line =
    lines.find((candidate) => /error|not found|unable|cannot|refused|ENOTFOUND|EAI_AGAIN|E\d{3}/i.test(candidate)) ?? lines.at(-1)
  return (line ?? 'it said nothing').replace(/[.\s]+$/, '').slice(0, 300)
}
