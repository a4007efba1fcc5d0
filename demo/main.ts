import { check } from './check.ts'
import { openOnDesktop } from './desktop.ts'
import { DemoOptionError, type DemoOptions, help, parseDemoOptions } from './options.ts'
import { PortTakenError } from './server.ts'
import { type Stage, startStage } from './stage.ts'
import { SwarmOptionError } from './swarm/options.ts'

/** `npm run demo`: the swarm, the page, and Ctrl-C; with `--check` the same once without anybody watching. */

async function main(): Promise<number> {
  const options = parseDemoOptions(process.argv.slice(2))
  if (options.help) {
    process.stdout.write(help)
    return 0
  }
  return options.check ? check(options) : show(options)
}

async function show(options: DemoOptions): Promise<number> {
  const ended = interrupted()
  say('Starting the local swarm …')
  const stage = await Promise.race([startStage(options.swarm, options.port), ended])
  if (stage === undefined) return 0
  introduce(stage)
  if (options.openBrowser) openOnDesktop(stage.server.url)
  await ended
  say('\nStopping …')
  await stage.stop()
  return 0
}

function introduce({ swarm, server }: Stage): void {
  say(`${swarm.peers.length} peers are up. Bootstrap addresses:`)
  for (const address of swarm.bootstrap) say(`  ${address}`)
  say('Samples:')
  for (const sample of swarm.samples) say(`  ${sample.cid}  ${sample.name}`)
  say(`\nThe page: ${server.url}\nCtrl-C ends all.`)
}

/** A second signal does not wait for anything. */
function interrupted(): Promise<undefined> {
  return new Promise((resolve) => {
    const end = () => {
      process.once('SIGINT', () => process.exit(130))
      resolve(undefined)
    }
    process.once('SIGINT', end)
    process.once('SIGTERM', end)
  })
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Mistakes of the user are one sentence; anything else is a fault of ours, and its stack helps. */
function sentence(error: unknown): string {
  if (error instanceof DemoOptionError || error instanceof SwarmOptionError || error instanceof PortTakenError)
    return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

try {
  process.exit(await main())
} catch (error) {
  process.stderr.write(`${sentence(error)}\n`)
  process.exit(1)
}
