import { HELP, parseCommandLine, SwarmOptionError } from './options.ts'
import { startSwarm, type Swarm } from './swarm.ts'

/** `npm run swarm`: the local swarm on its own, until Ctrl-C. */

async function main(): Promise<void> {
  const { options, json, help } = parseCommandLine(process.argv.slice(2))
  if (help) {
    process.stdout.write(HELP)
    return
  }
  const ended = stopRequested()
  const startedAt = performance.now()
  if (!json) console.log(`Starting ${options.peers} peers …`)
  const swarm = await startSwarm(options)
  if (json) printJson(swarm)
  else printText(swarm, performance.now() - startedAt)
  await ended
  await swarm.stop()
}

function stopRequested(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })
}

function printJson(swarm: Swarm): void {
  const print = (value: object) => console.log(JSON.stringify(value))
  for (const address of swarm.bootstrap) print({ type: 'bootstrap', address })
  for (const address of swarm.relays) print({ type: 'relay', address })
  for (const sample of swarm.samples) print({ type: 'sample', ...sample })
  for (const peer of swarm.peers) print({ type: 'peer', ...peer })
  print({ type: 'ready', peers: swarm.peers.length, running: swarm.peers.filter(({ state }) => state === 'running').length })
}

function printText(swarm: Swarm, elapsedMs: number): void {
  const running = swarm.peers.filter(({ state }) => state === 'running').length
  console.log(`${running} of ${swarm.peers.length} peers run, ready after ${(elapsedMs / 1000).toFixed(1)} s.\n`)
  console.log('Bootstrap addresses:')
  for (const address of swarm.bootstrap) console.log(`  ${address}`)
  console.log('\nWhat there is to find:')
  for (const { name, cid, kind, bytes, providers } of swarm.samples) {
    console.log(`  ${name.padEnd(8)} ${cid}  ${kind}, ${bytes} bytes, ${providers} ${providers === 1 ? 'provider' : 'providers'}`)
  }
  console.log('\nCtrl-C ends it.')
}

try {
  await main()
  // libp2p leaves timers behind (reconnects, adaptive timeouts) that would keep the process for seconds.
  process.exit(0)
} catch (error) {
  console.error(error instanceof SwarmOptionError ? error.message : error)
  process.exit(1)
}
