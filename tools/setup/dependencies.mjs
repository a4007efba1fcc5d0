import { lstatSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { lastWords, npm, root, say, SetupError } from './progress.mjs'

/** node_modules as package-lock.json says. npm's own note of what it installed is compared, so nothing is done twice. */

export function dependenciesMatch() {
  const wanted = packagesOf('package-lock.json')
  const installed = packagesOf(join('node_modules', '.package-lock.json'))
  if (wanted === undefined || installed === undefined) return false
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    const there = installed[path]
    // Optional ones are binaries of other platforms; npm knows which to leave out.
    return path === '' || (there === undefined ? optional === true : there.version === version)
  })
}

export async function installDependencies() {
  if (packagesOf('package-lock.json') === undefined) {
    throw new SetupError('package-lock.json is missing or broken: get it back with `git checkout package-lock.json`.')
  }
  requireOwnModules(root)
  say('Installing the dependencies by package-lock.json (once; about a minute) …')
  // No dependency needs its install script, and npm on Node 20 would warn about each that asks for a newer one.
  const { ok, output } = await npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'])
  if (!ok)
    throw new SetupError(
      `npm ci failed (${lastWords(output)}): check the network and the npm registry, then run the command again.`,
    )
}

/**
 * npm would follow a link, and replace what another tree works with.
 *
 * @param {string} tree
 */
export function requireOwnModules(tree) {
  const modules = join(tree, 'node_modules')
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return
  throw new SetupError(
    `${modules} is a link, and what it leads to is not what package-lock.json says. Installing would change it there: remove the link, or install in the tree that it leads to, then run the command again.`,
  )
}

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, optional?: boolean }> | undefined}
 */
function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages
  } catch {
    return undefined
  }
}
