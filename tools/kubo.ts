import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/**
 * A real Kubo: `KUBO_BIN`, else an `ipfs` in the PATH, else one that Go builds from its module of a pinned version, once,
 * into a cache outside the tree (`XDG_CACHE_HOME`, or `~/.cache`).
 */

export const kuboVersion = 'v0.43.0'
const buildTimeoutMs = 30 * 60_000
const run = promisify(execFile)

export type KuboSearch = { readonly binary: string; readonly how: string } | { readonly missing: string }

/** `say` is told before something that takes minutes. */
export async function findKubo(say: (what: string) => void): Promise<KuboSearch> {
  const given = process.env['KUBO_BIN']
  if (given !== undefined && given !== '') {
    return existsSync(given) ? { binary: given, how: 'KUBO_BIN' } : { missing: `KUBO_BIN names ${given}, which does not exist` }
  }
  const inPath = await onPath('ipfs')
  if (inPath !== undefined) return { binary: inPath, how: 'the PATH' }
  const cached = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'amino-worker', `kubo-${kuboVersion}`, 'ipfs')
  if (existsSync(cached)) return { binary: cached, how: 'the cache' }
  if ((await onPath('go')) === undefined) {
    return { missing: 'there is no ipfs in the PATH, no KUBO_BIN, and no Go to build one' }
  }
  try {
    say(`Building Kubo ${kuboVersion} with Go, once; this takes minutes …`)
    await buildKubo(cached)
    return { binary: cached, how: 'Go' }
  } catch (error) {
    const [line] = (error instanceof Error ? error.message : String(error)).split('\n').slice(-2)
    return { missing: `Go could not build Kubo ${kuboVersion}: ${line ?? ''}` }
  }
}

/** Of Kubo's own module, so that its own list of sums says what is in it. */
async function buildKubo(binary: string): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'kubo-build-'))
  try {
    const options = { cwd: scratch, timeout: buildTimeoutMs, maxBuffer: 64 * 1024 * 1024 }
    await run('go', ['mod', 'init', 'scratch'], options)
    const { stdout } = await run('go', ['mod', 'download', '-json', `github.com/ipfs/kubo@${kuboVersion}`], options)
    const { Dir: sources } = JSON.parse(stdout) as { Dir: string }
    const built = join(scratch, 'ipfs')
    await run('go', ['build', '-buildvcs=false', '-o', built, './cmd/ipfs'], { ...options, cwd: sources })
    await mkdir(join(binary, '..'), { recursive: true })
    // Two runs at once: the later one wins, and nobody ever starts half a file.
    const draft = `${binary}.${process.pid}`
    await run('cp', [built, draft])
    await rename(draft, binary)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function onPath(name: string): Promise<string | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file))
}
