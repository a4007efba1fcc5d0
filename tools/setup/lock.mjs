import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { endRunning, root, say, SetupError } from './progress.mjs'

/**
 * One set-up at a time: two commands started together must not both write node_modules. The lock is a directory, which
 * only one can make, with the maker's process id in it; a maker that is gone has left it behind.
 */

const cache = join(root, '.cache')
const directory = join(cache, 'setup.lock')
const owner = join(directory, 'pid')
const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])
const POLL_MS = 200
/** A full set-up over a slow line; waiting longer means that something hangs. */
const WAIT_MAX_MS = 20 * 60_000
/** From making the directory to writing the id. */
const NAMELESS_MAX_MS = 5_000

/**
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function alone(work) {
  await acquire()
  const release = () => rmSync(directory, { recursive: true, force: true })
  /** @param {NodeJS.Signals} signal */
  const breakOff = (signal) => {
    endRunning()
    release()
    process.exit(128 + constants.signals[signal])
  }
  for (const signal of SIGNALS) process.once(signal, breakOff)
  process.once('exit', release)
  try {
    return await work()
  } finally {
    process.off('exit', release)
    for (const signal of SIGNALS) process.off(signal, breakOff)
    release()
  }
}

async function acquire() {
  mkdirSync(cache, { recursive: true })
  const startedAt = Date.now()
  let told = false
  while (!tryAcquire()) {
    if (isAbandoned()) {
      rmSync(directory, { recursive: true, force: true })
      continue
    }
    if (!told) say('Another command is setting up here: waiting for it …')
    told = true
    if (Date.now() - startedAt > WAIT_MAX_MS) {
      throw new SetupError(
        `Another command has held ${directory} for ${WAIT_MAX_MS / 60_000} minutes: end it, or delete that directory.`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

function tryAcquire() {
  try {
    mkdirSync(directory)
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false
    throw error
  }
  writeFileSync(owner, String(process.pid))
  return true
}

function isAbandoned() {
  try {
    const pid = Number(readFileSync(owner, 'utf8'))
    return Number.isInteger(pid) && pid > 0 && !isAlive(pid)
  } catch {
    return ageMs() > NAMELESS_MAX_MS
  }
}

function ageMs() {
  try {
    return Date.now() - statSync(directory).mtimeMs
  } catch {
    return 0
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM'
  }
}
