import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { lastWords, root, run, say, SetupError } from './progress.mjs'

/** A Chromium for the browser tests: the one named, Playwright's, the system's, else one that gets installed. */

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome']
const MAC = ['/Applications/Chromium.app/Contents/MacOS/Chromium', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome']
const ADVICE = 'install Chromium or Chrome yourself and name it in CHROMIUM_PATH'

/** Path of a Chromium that is there, or undefined. Needs the dependencies for Playwright's. */
export function findChromium() {
  const named = process.env['CHROMIUM_PATH']
  if (named !== undefined && named !== '') {
    if (!isExecutable(named))
      throw new SetupError(`CHROMIUM_PATH names ${named}, which is not a program: correct it, or unset it.`)
    return named
  }
  return [playwrightsOwn(), ...systemPlaces()].find((file) => file !== undefined && isExecutable(file))
}

export async function installChromium() {
  const failures = []
  for (const attempt of [byApt, byPlaywright]) {
    const failure = await attempt()
    if (failure !== undefined) failures.push(failure)
    const found = findChromium()
    if (found !== undefined) return found
  }
  throw new SetupError(`No Chromium is here and none could be installed (${failures.join('; ')}): ${ADVICE}.`)
}

/** Debian and its kin; Ubuntu's package is only a stub for snap, which containers do not have. */
async function byApt() {
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get') || isUbuntu()) return undefined
  const prefix = await asRoot()
  if (prefix === undefined) return 'apt-get needs root'
  say("No Chromium here: installing the system's with apt-get (once; a few minutes) …")
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    const [file = 'apt-get', ...rest] = [...prefix, 'apt-get', ...args]
    const { ok, output } = await run(file, rest, { env })
    if (!ok) return `apt-get ${args[0]}: ${lastWords(output)}`
  }
  return undefined
}

async function byPlaywright() {
  say('Installing Chromium with Playwright (once; about 150 MB) …')
  const cli = join(root, 'node_modules', 'playwright', 'cli.js')
  const isDebian = process.platform === 'linux' && existsSync('/usr/bin/apt-get')
  const withLibraries = isDebian && (await asRoot()) !== undefined ? ['--with-deps'] : []
  const { ok, output } = await run(process.execPath, [cli, 'install', ...withLibraries, 'chromium'])
  return ok ? undefined : `playwright install: ${lastWords(output)}`
}

/** What to put before a command that needs root: nothing, sudo if it asks for no password, or undefined. */
async function asRoot() {
  if (process.getuid?.() === 0) return []
  const { ok } = await run('sudo', ['-n', 'true'])
  return ok ? ['sudo', '-n'] : undefined
}

function isUbuntu() {
  try {
    return /^ID=ubuntu$/m.test(readFileSync('/etc/os-release', 'utf8'))
  } catch {
    return false
  }
}

function playwrightsOwn() {
  try {
    return createRequire(join(root, 'package.json'))('playwright').chromium.executablePath()
  } catch {
    return undefined
  }
}

function systemPlaces() {
  if (process.platform === 'darwin') return MAC
  if (process.platform === 'win32') {
    const bases = [process.env['PROGRAMFILES'], process.env['PROGRAMFILES(X86)'], process.env['LOCALAPPDATA']]
    return bases.flatMap((base) =>
      base === undefined
        ? []
        : [join(base, 'Google', 'Chrome', 'Application', 'chrome.exe'), join(base, 'Chromium', 'Application', 'chrome.exe')],
    )
  }
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name)))
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
