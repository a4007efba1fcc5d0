import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import { build as esbuild } from 'esbuild'
import { rollup } from 'rollup'
import { build as vite } from 'vite'
import webpack from 'webpack'

/**
 * The small dapp with each bundler, as its users would set it up: what is here is what the README tells them. Each
 * leaves `index.html` and all it needs in the folder that it returns.
 */
export const bundlers: Readonly<Record<'esbuild' | 'Vite' | 'webpack' | 'Rollup', (project: string) => Promise<string>>> = {
  /** Leaves `new URL('./worker.js', import.meta.url)` as it is: so the Worker is a second entry point of that name. */
  async esbuild(project) {
    const outdir = join(project, 'out-esbuild')
    await esbuild({
      absWorkingDir: project,
      entryPoints: { main: './main.mjs', worker: 'amino-worker/worker' },
      bundle: true,
      format: 'esm',
      outdir,
      outExtension: { '.js': '.js' },
      logLevel: 'silent',
    })
    return withPage(project, outdir, 'main.js')
  },

  /** Knows the pattern. (While developing: `optimizeDeps: { exclude: ['amino-worker'] }`.) */
  async Vite(project) {
    const outDir = join(project, 'out-vite')
    await vite({ root: project, configFile: false, logLevel: 'silent', build: { outDir, reportCompressedSize: false } })
    return outDir
  },

  /** Knows the pattern. */
  async webpack(project) {
    const path = join(project, 'out-webpack')
    const compiler = webpack({
      context: project,
      mode: 'production',
      entry: './main.mjs',
      output: { path, filename: 'main.js' },
      // The packages are minified already, and this is a test.
      optimization: { minimize: false },
    })
    const stats = await new Promise<{ hasErrors(): boolean; toString(): string } | undefined>((resolve, reject) => {
      compiler.run((error, done) => (error === null ? resolve(done) : reject(error)))
    })
    await new Promise((resolve) => compiler.close(resolve))
    if (stats?.hasErrors() === true) throw new Error(stats.toString())
    return withPage(project, path, 'main.js')
  },

  /** Leaves the pattern as it is: so the Worker is emitted beside the bundle. */
  async Rollup(project) {
    const dir = join(project, 'out-rollup')
    const source = await readFile(join(project, 'node_modules/amino-worker/dist/worker.js'))
    const bundle = await rollup({
      input: join(project, 'main.mjs'),
      plugins: [
        nodeResolve({ browser: true }),
        {
          name: 'amino-worker',
          generateBundle() {
            this.emitFile({ type: 'asset', fileName: 'worker.js', source })
          },
        },
      ],
    })
    await bundle.write({ dir, format: 'es' })
    await bundle.close()
    return withPage(project, dir, 'main.js')
  },
}

async function withPage(project: string, out: string, script: string): Promise<string> {
  const page = await readFile(join(project, 'index.html'), 'utf8')
  await writeFile(join(out, 'index.html'), page.replace('main.mjs', script))
  return out
}
