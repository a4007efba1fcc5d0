import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Asset } from '../../demo/server.ts'

/** The package as strangers get it: packed, unpacked into a project of its own, beside the one package it needs. */

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

export interface Project {
  readonly path: string
  remove(): Promise<void>
}

export async function startProject(): Promise<Project> {
  await mkdir(join(root, '.cache'), { recursive: true })
  const path = await mkdtemp(join(root, '.cache', 'fixture-'))
  const packages = join(path, 'node_modules')
  await mkdir(packages)
  const { stdout } = await run(process.execPath, ['tools/pack.ts', path], { cwd: root })
  await run('tar', ['-xzf', stdout.trim(), '-C', path])
  await cp(join(path, 'package'), join(packages, 'amino-worker'), { recursive: true })
  await cp(join(root, 'node_modules', 'multiformats'), join(packages, 'multiformats'), { recursive: true })
  await cp(join(root, 'test-browser', 'fixtures'), path, { recursive: true })
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
}

/** All files below a folder that a page may ask for, by their URL's path. */
export async function assetsOf(folder: string, under = '', headers?: Asset['headers']): Promise<Map<string, Asset>> {
  const assets = new Map<string, Asset>()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const type = types[entry.name.split('.').at(-1) ?? '']
    if (!entry.isFile() || type === undefined) continue
    const file = join(entry.parentPath, entry.name)
    const path = `${under}/${relative(folder, file).split(sep).join('/')}`
    assets.set(path, { type, body: await readFile(file), ...(headers === undefined ? {} : { headers }) })
  }
  return assets
}
