import { parseArgs } from 'node:util'
import type { SwarmOptions } from './swarm/options.ts'

/** The command line of `npm run demo`. What is about the swarm is passed on to it, and checked there. */

export interface DemoOptions {
  readonly check: boolean
  readonly help: boolean
  /** Of the page; undefined: a preferred one, or any free one if that is taken. */
  readonly port: number | undefined
  readonly openBrowser: boolean
  /** Bound of the whole check. */
  readonly timeoutMs: number
  readonly swarm: Partial<SwarmOptions>
}

export const help = `A page that finds and fetches content through amino-worker, on a swarm of real js-libp2p peers on this machine.

  npm run demo                       builds, starts the swarm, serves the page; Ctrl-C ends all
  npm run demo -- --check            the same job once in a headless Chromium; the last line is JSON

  --port N            port of the page (8700, or a free one if that is taken)
  --no-open           does not open the page on a desktop
  --timeout SECONDS   bound of the check (120)
  --peers N  --seed TEXT  --latency MS  --dead SHARE  --undialable SHARE
                      the swarm, as for "npm run swarm -- --help"

The figures of --check, all measured by the page for its own display (times in milliseconds):
  peers                 in the page's routing table at the end of the first visit
  providers             found for the samples, all samples together
  firstProviderMs       first search after a cold start, begun before any bootstrapper has answered, to its first provider
  queryMs               the same search to its end
  blockBytes, blockMs   the largest single block, from the request to the checked bytes
  warmFirstProviderMs   as firstProviderMs, after a reload in the same browser profile
  mainThreadLongTasks   tasks of 50 ms and more on the page's main thread, both visits together
`

const checkTimeoutSeconds = 120
const portMax = 65_535

/** A mistake on the command line, in one sentence. */
export class DemoOptionError extends Error {}

export function parseDemoOptions(args: readonly string[]): DemoOptions {
  const values = parse(args)
  const port = values.port === undefined ? undefined : numberOf('port', values.port)
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= portMax)) {
    throw new DemoOptionError(`--port must be a whole number from 0 to ${portMax}.`)
  }
  const timeoutSeconds = values.timeout === undefined ? checkTimeoutSeconds : numberOf('timeout', values.timeout)
  if (!(timeoutSeconds > 0)) throw new DemoOptionError('--timeout must be a number of seconds above 0.')
  return {
    check: values.check ?? false,
    help: values.help ?? false,
    port,
    openBrowser: values['no-open'] !== true,
    timeoutMs: timeoutSeconds * 1_000,
    swarm: {
      ...(values.peers === undefined ? {} : { peers: numberOf('peers', values.peers) }),
      ...(values.seed === undefined ? {} : { seed: values.seed }),
      ...(values.latency === undefined ? {} : { latencyMs: numberOf('latency', values.latency) }),
      ...(values.dead === undefined ? {} : { dead: numberOf('dead', values.dead) }),
      ...(values.undialable === undefined ? {} : { undialable: numberOf('undialable', values.undialable) }),
    },
  }
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const swarm = { peers: text, seed: text, latency: text, dead: text, undialable: text }
  try {
    return parseArgs({
      args: [...args],
      options: { check: flag, help: flag, 'no-open': flag, port: text, timeout: text, ...swarm },
    }).values
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split(/[.\n]/)[0] ?? '') : String(error)
    throw new DemoOptionError(`${reason}; "npm run demo -- --help" lists the options.`)
  }
}

function numberOf(name: string, text: string): number {
  // Number('') is 0: an empty value is a slip, not a zero.
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isNaN(value)) throw new DemoOptionError(`--${name} needs a number, not "${text}".`)
  return value
}
