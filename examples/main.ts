import { startStage } from '../demo/stage.ts'
import { exampleAssets, exampleNames } from './assets.ts'

/** `npm run example -- NAME`: the local swarm and one example's page, until Ctrl-C. */

const [name = ''] = process.argv.slice(2)
if (!(exampleNames as readonly string[]).includes(name)) {
  process.stderr.write(`Say which example: npm run example -- ${exampleNames.join(' | ')}\n`)
  process.exit(1)
}

const ended = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
})
const stage = await startStage({}, 0, await exampleAssets([name]))
process.stdout.write(`Open ${stage.server.url}examples/${name}.html\nCtrl-C ends it.\n`)
await ended
await stage.stop()
process.exit(0)
