import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, rmdirSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { endRunning, root, say, SetupError } from './progress.mjs'

/**
 * One set-up at a time: two commands started together must not both write node_modules.
 *
 * The lock is a directory with one file in it, whose name is its owner's process id and a word of chance. It is made
 * elsewhere and renamed into place, which fails while another one with a file stands there: it never stands without an
 * owner. An owner that is gone has left its file behind. Whoever clears that away removes this very file, and the
 * directory only when it is empty: what has been taken anew in the meantime stays, however late the clearing comes.
 */

const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])
const POLL_MS = 200
/** A full set-up over a slow line; waiting longer means that something hangs. */
const WAIT_MAX_MS = 20 * 60_000
/** What systems say when the place of a renamed directory is taken. */
const TAKEN = new Set(['EEXIST', 'ENOTEMPTY', 'EPERM', 'EACCES'])

/**
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function alone(work) {
  const release = await acquire(join(root, '.cache', 'setup.lock'))
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

/**
 * @param {string} directory
 * @returns {Promise<() => void>} Gives it back.
 */
async function acquire(directory) {
  const startedAt = Date.now()
  for (let told = false; ; told = true) {
    clear(directory, abandonedOwners(directory))
    const owner = tryAcquire(directory)
    if (owner !== undefined) return () => clear(directory, [owner])
    if (!told) say('Another command is setting up here: waiting for it …')
    if (Date.now() - startedAt > WAIT_MAX_MS) {
      throw new SetupError(
        `Another command has held ${directory} for ${WAIT_MAX_MS / 60_000} minutes: end it, or delete that directory.`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/**
 * @param {string} directory
 * @returns {string | undefined} The owner's file, or undefined when another one holds it.
 */
export function tryAcquire(directory) {
  mkdirSync(dirname(directory), { recursive: true })
  const draft = mkdtempSync(`${directory}.${process.pid}.`)
  const owner = basename(draft).slice(basename(directory).length + 1)
  writeFileSync(join(draft, owner), '')
  try {
    renameSync(draft, directory)
    return owner
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    if (TAKEN.has(/** @type {NodeJS.ErrnoException} */ (error).code ?? '')) return undefined
    throw error
  }
}

/**
 * Files of owners that are gone, and of nobody.
 *
 * @param {string} directory
 * @returns {string[]}
 */
export function abandonedOwners(directory) {
  return filesOf(directory).filter((name) => {
    const pid = Number(name.split('.')[0])
    return !(Number.isInteger(pid) && pid > 0 && isAlive(pid))
  })
}

/**
 * @param {string} directory
 * @param {readonly string[]} owners
 */
export function clear(directory, owners) {
  for (const owner of owners) rmSync(join(directory, owner), { force: true })
  try {
    rmdirSync(directory)
  } catch {
    // Gone already, or somebody has it: then it is not ours to remove.
  }
}

/** @param {string} directory */
function filesOf(directory) {
  try {
    return readdirSync(directory)
  } catch {
    return []
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
