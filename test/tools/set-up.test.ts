import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { dependenciesMatch } from '../../tools/setup/dependencies.mjs'
import { isNewEnough } from '../../tools/setup/node.mjs'
import { lastWords } from '../../tools/setup/progress.mjs'
import { root, runFile } from '../../tools/shell.ts'

test('libp2p 3 asks for Node 22.19', () => {
  for (const version of ['22.19.0', '22.20.1', '23.0.0', '24.21.0', '100.0.0']) assert.equal(isNewEnough(version), true, version)
  for (const version of ['20.19.0', '20.20.2', '22.18.9', '21.99.0', '9.0.0']) assert.equal(isNewEnough(version), false, version)
})

test('installed dependencies are recognised, so that nothing is installed twice', () => {
  assert.equal(dependenciesMatch(), true)
})

test('of what a failed program wrote, the sentence names the line that says why', () => {
  const output =
    'npm error code ENOTFOUND\nnpm error network request to the registry failed, reason: getaddrinfo ENOTFOUND x\nnpm error A complete log of this run can be found in: y\n'
  assert.equal(lastWords(output), 'network request to the registry failed, reason: getaddrinfo ENOTFOUND x')
  assert.equal(lastWords(''), 'it said nothing')
})

test('an unknown command is answered with one sentence and a failing exit code', async () => {
  const { code, output } = await runFile(process.execPath, ['tools/run.mjs', 'dance'])
  assert.equal(code, 1)
  assert.match(output, /^There is no command "dance": take one of demo, test, [^\n]+\.\n$/)
})

test('a CHROMIUM_PATH that leads nowhere is told in one sentence, before anything is started', async () => {
  const env = { ...process.env, CHROMIUM_PATH: '/nowhere/chromium' }
  const { code, output } = await runFile(process.execPath, ['tools/run.mjs', 'test'], { env })
  assert.equal(code, 1)
  assert.equal(output, 'CHROMIUM_PATH names /nowhere/chromium, which is not a program: correct it, or unset it.\n')
})

test('a signal ends the command and all it started, even when it comes twice at once', { timeout: 30_000 }, async (t) => {
  const args = [join(root, 'tools/run.mjs'), 'swarm', '--peers', '2', '--json']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGTERM'))
  let output = ''
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (data) => {
      output += String(data)
      if (output.includes('"type":"ready"')) resolve()
    })
  })
  const port = /\/tcp\/(\d+)\//.exec(output)?.[1]
  assert.ok(port)
  const ended = once(child, 'close')
  child.kill('SIGINT')
  child.kill('SIGINT')
  assert.deepEqual(await ended, [0, null])
  const refused = (error: Error & { cause?: { code?: string } }) => error.cause?.code === 'ECONNREFUSED'
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`), refused)
})
