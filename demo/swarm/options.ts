import { parseArgs } from 'node:util'

export interface SwarmOptions {
  /** Peers of the network in all, the dead and the undialable among them. */
  readonly peers: number
  /** The same seed gives the same peer ids, blocks and picture. */
  readonly seed: string
  /** First port; peer n listens on `port + n`. 0: any free ports. */
  readonly port: number
  /** One-way delay of each link in milliseconds, with jitter; 0: none. */
  readonly latencyMs: number
  /** How much links differ, 0 to 1: with 0.5 from half to one and a half times the delay. */
  readonly spread: number
  /** How many of the running peers speak Bitswap. */
  readonly blockServers: number
  /** Share of peers, 0 to 1, that others know but that do not run: half refuse connections, half never answer. */
  readonly dead: number
  /** Share of peers, 0 to 1, that announce only TCP and QUIC addresses, which no browser can dial. */
  readonly undialable: number
}

export const DEFAULT_SWARM_OPTIONS: SwarmOptions = {
  peers: 32,
  seed: 'amino',
  port: 0,
  latencyMs: 0,
  spread: 0.5,
  blockServers: 8,
  dead: 0,
  undialable: 0,
}

export const PEERS_MAX = 400
export const LATENCY_MAX_MS = 5_000
const SEED_LENGTH_MAX = 100
const PORT_MAX = 65_535

/** The user's mistake, told in one sentence. */
export class SwarmOptionError extends Error {
  override readonly name = 'SwarmOptionError'
}

export function checkOptions(given: Partial<SwarmOptions>): SwarmOptions {
  const options = { ...DEFAULT_SWARM_OPTIONS, ...given }
  requireInteger('peers', options.peers, 1, PEERS_MAX)
  requireInteger('port', options.port, 0, PORT_MAX)
  requireNumber('latency', options.latencyMs, 0, LATENCY_MAX_MS, 'milliseconds')
  requireNumber('spread', options.spread, 0, 1, 'as a share of the delay')
  requireInteger('block-servers', options.blockServers, 1, PEERS_MAX)
  requireNumber('dead', options.dead, 0, 1, 'as a share of the peers')
  requireNumber('undialable', options.undialable, 0, 1, 'as a share of the peers')
  if (options.seed.length === 0 || options.seed.length > SEED_LENGTH_MAX) {
    throw new SwarmOptionError(`--seed must have 1 to ${SEED_LENGTH_MAX} characters.`)
  }
  if (options.port > 0 && options.port + options.peers - 1 > PORT_MAX) {
    throw new SwarmOptionError(
      `--port ${options.port} leaves no room for ${options.peers} ports below ${PORT_MAX + 1}: take a lower one.`,
    )
  }
  if (options.peers - countOf(options.dead, options.peers) - countOf(options.undialable, options.peers) < 1) {
    throw new SwarmOptionError('--dead and --undialable leave no running peer: lower them, or take more peers.')
  }
  return options
}

export function countOf(share: number, peers: number): number {
  return Math.round(share * peers)
}

export interface CommandLine {
  readonly options: SwarmOptions
  readonly json: boolean
  readonly help: boolean
}

export const HELP = `A local network of js-libp2p peers with the Amino DHT and Bitswap, on loopback only.

  npm run swarm -- [options]

  --peers N        peers in all, 1 to ${PEERS_MAX} (${DEFAULT_SWARM_OPTIONS.peers})
  --seed TEXT      same seed: same peer ids, same content ("${DEFAULT_SWARM_OPTIONS.seed}")
  --port N         first port; peer n takes N + n (0: any free ones)
  --latency MS     one-way delay of every link, with jitter (0)
  --spread SHARE   how much links differ: from (1 - SHARE) to (1 + SHARE) times the delay (${DEFAULT_SWARM_OPTIONS.spread})
  --block-servers N  running peers that speak Bitswap (${DEFAULT_SWARM_OPTIONS.blockServers})
  --dead SHARE     share of peers that are known but not running (0)
  --undialable SHARE  share of peers with TCP and QUIC addresses only (0)
  --json           one JSON object a line instead of text
  --help           this text
`

export function parseCommandLine(args: readonly string[]): CommandLine {
  const values = parse(args)
  const given: { -readonly [K in keyof SwarmOptions]?: SwarmOptions[K] } = {}
  if (values.peers !== undefined) given.peers = toNumber('peers', values.peers)
  if (values.seed !== undefined) given.seed = values.seed
  if (values.port !== undefined) given.port = toNumber('port', values.port)
  if (values.latency !== undefined) given.latencyMs = toNumber('latency', values.latency)
  if (values.spread !== undefined) given.spread = toNumber('spread', values.spread)
  if (values['block-servers'] !== undefined) given.blockServers = toNumber('block-servers', values['block-servers'])
  if (values.dead !== undefined) given.dead = toNumber('dead', values.dead)
  if (values.undialable !== undefined) given.undialable = toNumber('undialable', values.undialable)
  return { options: checkOptions(given), json: values.json ?? false, help: values.help ?? false }
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  try {
    return parseArgs({
      args: [...args],
      options: {
        peers: text,
        seed: text,
        port: text,
        latency: text,
        spread: text,
        'block-servers': text,
        dead: text,
        undialable: text,
        json: flag,
        help: flag,
      },
    }).values
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split(/[.\n]/)[0] as string) : String(error)
    throw new SwarmOptionError(`${reason}; "npm run swarm -- --help" lists the options.`)
  }
}

function toNumber(name: string, text: string): number {
  // Number('') is 0: an empty value is a slip, not a zero.
  return text.trim() === '' ? fail(name, text) : Number(text)
}

function fail(name: string, text: string): never {
  throw new SwarmOptionError(`--${name} needs a number, not "${text}".`)
}

function requireInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new SwarmOptionError(`--${name} must be a whole number from ${min} to ${max}.`)
  }
}

function requireNumber(name: string, value: number, min: number, max: number, unit: string): void {
  if (!(value >= min && value <= max)) {
    throw new SwarmOptionError(`--${name} must be from ${min} to ${max} ${unit}.`)
  }
}
