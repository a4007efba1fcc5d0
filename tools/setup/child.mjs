import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { root } from './progress.mjs'

/**
 * Runs the real command in a process group of its own and makes sure that nothing of it stays: a signal is passed on
 * once (npm and the terminal may both send us the same one), a second one a while later ends it the hard way.
 */

const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])
/** npm repeats the terminal's signal at once; a person needs longer. */
const REPEAT_MS = 500
/** What a command that was told to end may take for it. */
const GRACE_MS = 15_000
const STRAGGLERS_MS = 2_000
const ownGroup = process.platform !== 'win32'

/**
 * @param {string} node
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<{ code: number, interrupted: boolean }>}
 */
export function runCommand(node, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(node, args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'], detached: ownGroup })
    let signalledAt = 0
    /** @type {NodeJS.Timeout | undefined} */
    let grace

    /** @param {NodeJS.Signals} signal */
    const onSignal = (signal) => {
      const now = Date.now()
      if (signalledAt === 0) {
        signalledAt = now
        child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal)
        grace = setTimeout(() => killGroup(child.pid, 'SIGKILL'), GRACE_MS)
      } else if (now - signalledAt > REPEAT_MS) {
        killGroup(child.pid, 'SIGKILL')
      }
    }

    for (const signal of SIGNALS) process.on(signal, onSignal)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(grace)
      const result = { code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), interrupted: signalledAt !== 0 }
      sweep(child.pid)
        .finally(() => SIGNALS.forEach((name) => process.off(name, onSignal)))
        .then(() => resolve(result), reject)
    })
  })
}

/**
 * Ends what the command may have left behind in its group.
 *
 * @param {number | undefined} pid
 */
async function sweep(pid) {
  if (!killGroup(pid, 'SIGTERM')) return
  const until = Date.now() + STRAGGLERS_MS
  while (Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    if (!killGroup(pid, 0)) return
  }
  killGroup(pid, 'SIGKILL')
}

/**
 * @param {number | undefined} pid
 * @param {NodeJS.Signals | 0} signal
 * @returns {boolean} whether anybody was there
 */
function killGroup(pid, signal) {
  if (pid === undefined) return false
  try {
    process.kill(ownGroup ? -pid : pid, signal)
    return true
  } catch {
    return false
  }
}
