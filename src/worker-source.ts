import { AminoError } from './errors.ts'
import type { AminoClientOptions } from './types.ts'

export interface OpenedWorker {
  readonly worker: Worker
  /** Where its script is, for error messages. */
  readonly url: string
}

/** The Worker that the caller gave, or the package's own. Throws `worker-load-failed`. */
export function openWorker(given: AminoClientOptions['worker']): OpenedWorker {
  let url = 'the URL its maker chose'
  try {
    if (typeof given === 'function') return { worker: given(), url }
    if (typeof given === 'object' && !(given instanceof URL)) return { worker: given, url }
    // Just these words: bundlers look for them and put the file where the URL then points. Not inside `new Worker(…)`,
    // for then some would bundle what is bundled already, and have the file twice.
    const source = given ?? new URL('./worker.js', import.meta.url)
    url = String(source)
    return { worker: isElsewhere(url) ? fromElsewhere(url) : moduleWorker(url), url }
  } catch (cause) {
    const message = `The browser refused to create the Worker from ${url} (${String(cause)}). Serve the script from this page's origin, or with CORS headers, and allow it in the Content-Security-Policy.`
    throw new AminoError('worker-load-failed', message, { url }, { cause })
  }
}

/** Browsers start Workers only from the page's own origin. */
function isElsewhere(url: string): boolean {
  if (typeof location === 'undefined') return false
  const { origin, protocol } = new URL(url, document.baseURI)
  return (protocol === 'https:' || protocol === 'http:') && origin !== location.origin
}

/** From a CDN: a script of this origin that imports the other one, which that one's CORS headers must allow. */
function fromElsewhere(url: string): Worker {
  const script = `import ${JSON.stringify(new URL(url, document.baseURI).href)}\n`
  const bootstrap = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))
  const worker = moduleWorker(bootstrap)
  const release = (): void => URL.revokeObjectURL(bootstrap)
  // Not earlier: the browser may not have read it yet.
  for (const type of ['message', 'error']) worker.addEventListener(type, release, { once: true })
  return worker
}

function moduleWorker(url: string): Worker {
  return new Worker(trusted(url), { type: 'module' })
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string }
}

let policy: ReturnType<TrustedTypes['createPolicy']> | undefined

/** For pages with `require-trusted-types-for 'script'; trusted-types amino-worker`. A name can be taken once. */
function trusted(url: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes }
  if (trustedTypes === undefined) return url
  policy ??= trustedTypes.createPolicy('amino-worker', { createScriptURL: (given) => given })
  return policy.createScriptURL(url)
}
