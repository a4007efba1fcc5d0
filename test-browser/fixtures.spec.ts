import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from '@playwright/test'
import { type Asset, type PageServer, serveAssets } from '../demo/server.ts'
import { bundlers } from './support/bundlers.ts'
import { expect, test } from './support/fixtures.ts'
import { assetsOf, type Project, startProject } from './support/packed.ts'
import { sampleNamed, type StageInfo } from './support/stage-info.ts'

/** The small dapp of `fixtures/`, always with the package from its tarball: with every bundler, and with none. */

let project: Project | undefined
const servers: PageServer[] = []

test.beforeAll(async () => {
  project = await startProject()
})

test.afterAll(async () => {
  await project?.remove()
})

test.afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

function path(): string {
  if (project === undefined) throw new Error('The package was not packed.')
  return project.path
}

async function serve(assets: ReadonlyMap<string, Asset>): Promise<string> {
  const server = await serveAssets(assets, 0)
  servers.push(server)
  return server.url
}

/** Opens the page and waits for what the dapp has found. */
async function expectItWorks(page: Page, url: string, stage: StageInfo): Promise<void> {
  const { cid, providerIds } = sampleNamed(stage, 'note')
  await page.goto(`${url}#${encodeURIComponent(JSON.stringify({ bootstrap: stage.bootstrap, cid }))}`)
  const outcome = await page
    .waitForFunction(() => (globalThis as { outcome?: Promise<unknown> }).outcome)
    .then((handle) => handle.jsonValue())
  expect(outcome).toMatchObject({ text: expect.stringContaining('A note from the local swarm') })
  expect((outcome as { providers: string[] }).providers.toSorted()).toEqual([...providerIds].toSorted())
}

for (const [name, bundle] of Object.entries(bundlers)) {
  test(`The dapp built with ${name} finds providers and gets a block`, async ({ page, stage }) => {
    const assets = await assetsOf(await bundle(path()))
    // Whatever it is called: the Worker is there once.
    expect([...assets.values()].filter(({ body }) => body.length > 300_000)).toHaveLength(1)
    await expectItWorks(page, await serve(assets), stage)
  })
}

/** A page without any bundler: an import map, whose hash the policy names because it is a script in the page. */
async function plainPage(packages: string, policy: string): Promise<Map<string, Asset>> {
  const multiformats = `${packages}/multiformats/dist/src`
  const imports = {
    'amino-worker': `${packages}/amino-worker/dist/index.js`,
    ...Object.fromEntries(
      ['cid', 'bases/base16', 'bases/base58', 'bases/base64', 'hashes/digest'].map((name) => [
        `multiformats/${name}`,
        `${multiformats}/${name}.js`,
      ]),
    ),
  }
  const map = JSON.stringify({ imports })
  const hash = createHash('sha256').update(map).digest('base64')
  const body = `<!doctype html><html lang="en"><head><meta charset="utf-8" /><title>A small dapp</title><link rel="icon" href="data:," />
<script type="importmap">${map}</script><script type="module" src="./main.mjs"></script></head><body></body></html>`
  const headers = { 'content-security-policy': policy.replace('MAP', `'sha256-${hash}'`) }
  const script = await readFile(join(path(), 'main.mjs'))
  return new Map<string, Asset>([
    ['/index.html', { type: 'text/html; charset=utf-8', body, headers }],
    ['/main.mjs', { type: 'text/javascript; charset=utf-8', body: script }],
  ])
}

test('The dapp without a bundler runs under a strict policy with Trusted Types', async ({ page, stage }) => {
  const policy = `default-src 'none'; script-src 'self' MAP; worker-src 'self'; connect-src ws:; img-src data:;
    require-trusted-types-for 'script'; trusted-types amino-worker`.replaceAll(/\s+/g, ' ')
  const assets = await plainPage('/node_modules', policy)
  for (const [file, asset] of await packageAssets()) assets.set(file, asset)
  await expectItWorks(page, await serve(assets), stage)
})

test('The dapp takes page part and Worker from another origin, as from a CDN', async ({ page, stage }) => {
  const cdn = await serve(await packageAssets({ 'access-control-allow-origin': '*' }))
  const from = cdn.slice(0, -1)
  const policy = `default-src 'none'; script-src 'self' MAP ${from}; worker-src blob: ${from}; connect-src ws:; img-src data:`
  await expectItWorks(page, await serve(await plainPage(`${from}/node_modules`, policy)), stage)
})

async function packageAssets(headers?: Asset['headers']): Promise<Map<string, Asset>> {
  const assets = await assetsOf(join(path(), 'node_modules', 'amino-worker'), '/node_modules/amino-worker', headers)
  for (const [file, asset] of await assetsOf(
    join(path(), 'node_modules', 'multiformats'),
    '/node_modules/multiformats',
    headers,
  )) {
    assets.set(file, asset)
  }
  return assets
}
