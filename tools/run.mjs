import { dirname, delimiter } from 'node:path'
import { findChromium, installChromium } from './setup/chromium.mjs'
import { runCommand } from './setup/child.mjs'
import { dependenciesMatch, installDependencies } from './setup/dependencies.mjs'
import { alone } from './setup/lock.mjs'
import { findNode, installNode } from './setup/node.mjs'
import { SetupError } from './setup/progress.mjs'

/**
 * `node tools/run.mjs <command> …`: every npm script goes through here. Sets up what the command needs, if it is not
 * there already, and runs it with a Node that can. Plain JavaScript on Node's own modules: it runs before anything
 * else is installed, on any Node ≥ 20.19.
 */

/**
 * @typedef {object} Command
 * @property {readonly (readonly string[])[]} steps Run one after the other; the last one gets the arguments.
 * @property {(args: readonly string[]) => boolean} [browser] Whether it needs a Chromium.
 */

/** @type {Record<string, Command>} */
const COMMANDS = {
  demo: { steps: [['tools/build.ts', '--quiet'], ['demo/main.ts']], browser: (args) => args.includes('--check') },
  test: { steps: [['tools/test.ts']], browser: (args) => args.length === 0 || args.includes('browser') },
  interop: { steps: [['tools/test.ts', 'build', 'interop']], browser: () => true },
  build: { steps: [['tools/build.ts']] },
  format: { steps: [['tools/format.ts']] },
  lint: { steps: [['tools/test.ts', 'lint', 'rooms']] },
  api: { steps: [['tools/build.ts', '--quiet'], ['tools/api.ts']] },
  types: { steps: [['tools/test.ts', 'types']] },
  size: { steps: [['tools/build.ts', '--quiet'], ['tools/size.ts']] },
  example: { steps: [['tools/build.ts', '--quiet'], ['examples/main.ts']] },
  swarm: { steps: [['demo/swarm/main.ts']] },
  sim: { steps: [['sim/cli/main.ts']] },
  'bench:peers': { steps: [['tools/build.ts', '--quiet'], ['bench/peers/main.ts']], browser: () => true },
  'bench:bitswap': { steps: [['tools/build.ts', '--quiet'], ['bench/bitswap/main.ts']], browser: () => true },
  'bench:transports': { steps: [['tools/build.ts', '--quiet'], ['bench/transports/main.ts']], browser: () => true },
  'bench:sweep': { steps: [['tools/build.ts', '--quiet'], ['bench/sweep/main.ts']], browser: () => true },
  'bench:keystore': {
    steps: [
      ['tools/build.ts', '--quiet'],
      ['--expose-gc', 'bench/keystore/main.ts'],
    ],
    browser: () => true,
  },
  bench: { steps: [['--expose-gc', 'bench/engine.ts']] },
  lock: { steps: [['tools/lock.ts']] },
}

async function main() {
  const [name = '', ...args] = process.argv.slice(2)
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) {
    throw new SetupError(`There is no command "${name}": take one of ${Object.keys(COMMANDS).join(', ')}.`)
  }
  const { node, chromium } = await setUp(command.browser?.(args) ?? false)
  const env = {
    ...process.env,
    // Whatever the command starts (npx, Playwright's workers) meets the same Node.
    PATH: [dirname(node), process.env['PATH']].join(delimiter),
    ...(chromium === undefined ? {} : { CHROMIUM_PATH: chromium }),
  }
  const last = command.steps.length - 1
  for (const [index, step] of command.steps.entries()) {
    const { code, interrupted } = await runCommand(node, [...step, ...(index === last ? args : [])], env)
    if (code !== 0 || interrupted) return code
  }
  return 0
}

/** @param {boolean} browserNeeded */
async function setUp(browserNeeded) {
  const isComplete = async () =>
    dependenciesMatch() && (await findNode()) !== undefined && (!browserNeeded || findChromium() !== undefined)
  if (!(await isComplete())) {
    await alone(async () => {
      // Looked at again: whoever held the lock may have done it all.
      if ((await findNode()) === undefined) await installNode()
      if (!dependenciesMatch()) await installDependencies()
      if (browserNeeded && findChromium() === undefined) await installChromium()
    })
  }
  const node = await findNode()
  if (node === undefined) throw new SetupError('The newer Node in .cache/node has gone: run the command again.')
  return { node, chromium: findChromium() }
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error)
  process.exitCode = 1
}
