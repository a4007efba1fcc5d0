import { readFile } from 'node:fs/promises'
import type { Plugin } from 'esbuild'
import { parseSync, Visitor } from 'oxc-parser'

/** What makes the Worker's bundle smaller without changing what it does. */

/** The list of limits is for readers of the source; at run time it is numbers, each where it is used. */
export const limitsAreNumbers: Plugin = {
  name: 'limits-are-numbers',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]worker[\\/](engine|host|wire)[\\/].*\.ts$/ }, async ({ path }) => ({
      contents: withNumbers(await readFile(path, 'utf8'), await values),
      loader: 'ts',
    }))
  },
}

const values = readFile(new URL('../worker/engine/limits.ts', import.meta.url), 'utf8').then(valuesOf)

/**
 * `@libp2p/utils` has a muxer for tests that imports `cborg`. Nobody uses that muxer, so it is shaken off; its import stays,
 * because `cborg` does not say that its modules have no side effects. They only define things.
 */
export const cborgIsPure: Plugin = {
  name: 'cborg-is-pure',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^cborg(\/|$)/ }, async ({ path, pluginData, ...rest }) => {
      if (pluginData === cborgIsPure.name) return undefined
      const { importer, kind, namespace, resolveDir } = rest
      const found = await resolve(path, { importer, kind, namespace, resolveDir, pluginData: cborgIsPure.name })
      return found.errors.length > 0 ? { errors: found.errors } : { path: found.path, sideEffects: false }
    })
  },
}

/**
 * libp2p's log goes to the console when `localStorage.debug` says so. A Worker has no `localStorage`, and nobody calls `enable`:
 * what would print it is left out.
 */
export const debugIsSilent: Plugin = {
  name: 'debug-is-silent',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]node_modules[\\/]weald[\\/]dist[\\/]src[\\/]index\.js$/ }, () => ({ contents: silentDebug }))
  },
}

/** In place of `weald`: what `@libp2p/logger` uses of it, always off. */
export const silentDebug = `
const off = () => {}
export default Object.assign(
  () => Object.assign(() => {}, { enabled: false }),
  { formatters: {}, names: [], enabled: () => false, enable: off, disable: off },
)`

/** The values of a list of limits, as they are written. */
export function valuesOf(source: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const visitor = new Visitor({
    Property({ key, value }) {
      if (key.type !== 'Identifier' || value.type !== 'CallExpression') return
      const { callee, arguments: given } = value
      const [first] = given
      if (callee.type === 'Identifier' && callee.name === 'limit' && first !== undefined)
        found.set(key.name, source.slice(first.start, first.end))
    },
  })
  visitor.visit(parseSync('limits.ts', source).program)
  return found
}

/** `source` with the number in place of each `limits.….value`. */
export function withNumbers(source: string, limits: ReadonlyMap<string, string>): string {
  return source.replaceAll(/(?<![\w#.])limits\.(\w+)\.value\b/g, (text, name: string) => {
    const value = limits.get(name)
    return value === undefined ? text : `(${value})`
  })
}
