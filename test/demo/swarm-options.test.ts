import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { DEFAULT_SWARM_OPTIONS, parseCommandLine, SwarmOptionError } from '../../demo/swarm/options.ts'
import { startSwarm } from '../../demo/swarm/swarm.ts'

test('without arguments the defaults hold', () => {
  assert.deepEqual(parseCommandLine([]), { options: DEFAULT_SWARM_OPTIONS, json: false, help: false })
  assert.ok(DEFAULT_SWARM_OPTIONS.peers >= 30)
})

test('every option reaches its place', () => {
  const line =
    '--peers 40 --seed x --port 4100 --latency 12.5 --spread 0.875 --block-servers 20 --dead 0.3 --undialable 0.2 --json'
  assert.deepEqual(parseCommandLine(line.split(' ')), {
    options: { peers: 40, seed: 'x', port: 4100, latencyMs: 12.5, spread: 0.875, blockServers: 20, dead: 0.3, undialable: 0.2 },
    json: true,
    help: false,
  })
})

const MISTAKES = [
  '--peers 0',
  '--peers 401',
  '--peers 2.5',
  '--peers many',
  '--peers=',
  '--peers',
  '--seed=',
  '--port -1',
  '--port 65530',
  '--latency -1',
  '--latency NaN',
  '--spread 2',
  '--block-servers 0',
  '--dead 1.5',
  '--dead 0.6 --undialable 0.4',
  '--speed 3',
  'forty',
]

for (const mistake of MISTAKES) {
  test(`"${mistake}" is answered with one sentence`, () => {
    assert.throws(
      () => parseCommandLine(mistake.split(' ')),
      (error) => error instanceof SwarmOptionError && /^[^\n]+\.$/.test(error.message),
    )
  })
}

test('a port that is taken is told in one sentence, and the peers already started are stopped', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const address = taken.address()
  assert.ok(address !== null && typeof address === 'object')
  try {
    await assert.rejects(
      startSwarm({ peers: 2, port: address.port - 1, seed: 'taken' }),
      (error) => error instanceof SwarmOptionError && error.message.includes('is taken'),
    )
  } finally {
    await new Promise((resolve) => taken.close(resolve))
  }
})
