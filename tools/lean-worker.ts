import { readFile } from 'node:fs/promises'
import type { Plugin } from 'esbuild'
import { parseSync, Visitor } from 'oxc-parser'

/** What makes the Worker's bundle smaller without changing what it does. */

/** The reasons in `limits.ts` are for readers of the source; nothing reads them at run time. */
export const limitsWithoutReasons: Plugin = {
  name: 'limits-without-reasons',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]worker[\\/]engine[\\/]limits\.ts$/ }, async ({ path }) => ({
      contents: withoutReasons(await readFile(path, 'utf8')),
      loader: 'ts',
    }))
  },
}

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

/** `source` with the third argument of each call of `limit` empty. */
export function withoutReasons(source: string): string {
  const { program } = parseSync('limits.ts', source)
  const reasons: { readonly start: number; readonly end: number }[] = []
  const visitor = new Visitor({
    CallExpression({ callee, arguments: given }) {
      const reason = given[2]
      if (callee.type === 'Identifier' && callee.name === 'limit' && reason?.type === 'Literal') reasons.push(reason)
    },
  })
  visitor.visit(program)
  // From the end, so that the places before stay where they are.
  return reasons.reduceRight((text, { start, end }) => `${text.slice(0, start)}''${text.slice(end)}`, source)
}
