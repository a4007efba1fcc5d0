import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lastWords, npm, root, run, say, SetupError } from './progress.mjs'

/**
 * A Node that libp2p 3 runs on and that runs TypeScript as it is. If the machine's is older, the npm registry's package
 * of this platform's binary is put into `.cache/node`; nothing outside the repository changes.
 */

const NEEDED = /** @type {const} */ ([22, 19])
const PLATFORMS = new Set(['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'win-x64', 'win-arm64'])
const home = join(root, '.cache', 'node')

/** The Node to run the tools with, or undefined when it has yet to be fetched. */
export async function findNode() {
  if (isNewEnough(process.versions.node)) return process.execPath
  const file = binary()
  if (!existsSync(file)) return undefined
  const { ok, output } = await run(file, ['--version'], { timeoutMs: 20_000 })
  return ok && output.trim() === `v${pinnedVersion()}` ? file : undefined
}

export async function installNode() {
  const platform = platformName()
  const version = pinnedVersion()
  if (!PLATFORMS.has(platform) || isMusl()) throw new SetupError(unsuited(isMusl() ? 'a Linux with musl' : platform))
  say(
    `Node ${process.versions.node} is older than ${NEEDED.join('.')}: fetching Node ${version} into .cache/node (once; about 50 MB) …`,
  )
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'package.json'), '{"private":true}\n')
  const spec = `node-${platform}@${version}`
  // npm hands its own settings down by environment; the prefix of the outer run must not win.
  const env = { ...process.env, npm_config_prefix: undefined, npm_config_local_prefix: undefined }
  const { ok, output } = await npm(
    [
      'install',
      spec,
      '--prefix',
      home,
      '--ignore-scripts',
      '--no-save',
      '--no-package-lock',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
    ],
    env,
  )
  if (!ok)
    throw new SetupError(
      `Fetching ${spec} from the npm registry failed (${lastWords(output)}): check the network, or install Node ${NEEDED.join('.')} or newer yourself.`,
    )
  const node = await findNode()
  if (node === undefined)
    throw new SetupError(
      `The Node ${version} from the npm registry does not run here: install Node ${NEEDED.join('.')} or newer yourself.`,
    )
  return node
}

/** @param {string} version */
export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])
}

/** @param {string} place */
function unsuited(place) {
  return `Node ${process.versions.node} is too old, and the npm registry has no newer one for ${place}: install Node ${NEEDED.join('.')} or newer with your package manager, then run the command again.`
}

function binary() {
  const folder = join(home, 'node_modules', `node-${platformName()}`, 'bin')
  return join(folder, process.platform === 'win32' ? 'node.exe' : 'node')
}

function platformName() {
  return `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
}

function isMusl() {
  if (process.platform !== 'linux') return false
  const report = /** @type {{ header?: { glibcVersionRuntime?: string } } | undefined} */ (process.report?.getReport())
  return report?.header?.glibcVersionRuntime === undefined
}

function pinnedVersion() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).config.node
}
