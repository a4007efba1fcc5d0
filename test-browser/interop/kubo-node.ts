import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

/** One Kubo on loopback: no public bootstrap, no DNS, no port mapping; its LAN DHT takes loopback addresses. */

export type KuboTransport = 'websocket' | 'webtransport' | 'webrtc-direct'

export interface KuboNode {
  readonly id: string
  /** With `/p2p/…`, for browsers. */
  readonly addresses: Readonly<Record<KuboTransport, string>>
  /** For other Kubos. */
  readonly tcp: string
  /** Runs `ipfs …` against the node. Rejects with what it wrote to stderr. */
  ipfs(args: readonly string[], input?: Uint8Array): Promise<Uint8Array>
  stop(): Promise<void>
}

const listen = [
  '/ip4/127.0.0.1/tcp/0',
  '/ip4/127.0.0.1/tcp/0/ws',
  '/ip4/127.0.0.1/udp/0/quic-v1',
  '/ip4/127.0.0.1/udp/0/quic-v1/webtransport',
  '/ip4/127.0.0.1/udp/0/webrtc-direct',
]
const startMs = 60_000
const commandMs = 60_000
const outputMax = 256 * 1024 * 1024

export async function startKubo(binary: string): Promise<KuboNode> {
  const repo = await mkdtemp(join(tmpdir(), 'kubo-'))
  const env = { PATH: process.env['PATH'], HOME: repo, IPFS_PATH: repo, GOLOG_LOG_LEVEL: 'error', IPFS_TELEMETRY: 'off' }
  const ipfs = (args: readonly string[], input?: Uint8Array): Promise<Uint8Array> => command(binary, args, env, input)
  try {
    await ipfs(['init', '--profile=test'])
    await configure(join(repo, 'config'))
    const daemon = spawn(binary, ['daemon', '--enable-gc=false'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    await ready(daemon)
    const { ID, Addresses } = JSON.parse(Buffer.from(await ipfs(['id'])).toString()) as { ID: string; Addresses: string[] }
    return {
      id: ID,
      addresses: {
        websocket: addressWith(Addresses, '/ws/'),
        webtransport: addressWith(Addresses, '/webtransport/certhash/'),
        'webrtc-direct': addressWith(Addresses, '/webrtc-direct/certhash/'),
      },
      tcp: Addresses.find((address) => /^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\//.test(address)) ?? '',
      ipfs,
      stop: async () => {
        if (daemon.exitCode === null) {
          daemon.kill()
          await once(daemon, 'exit')
        }
        await rm(repo, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await rm(repo, { recursive: true, force: true })
    throw error
  }
}

function addressWith(addresses: readonly string[], part: string): string {
  const address = addresses.find((candidate) => candidate.startsWith('/ip4/127.0.0.1/') && candidate.includes(part))
  if (address === undefined) throw new Error(`This Kubo listens on nothing with ${part}: ${addresses.join(' ')}`)
  return address
}

/** What the profile `test` leaves open. */
async function configure(file: string): Promise<void> {
  const config = JSON.parse(await readFile(file, 'utf8'))
  config.Addresses.Swarm = listen
  config.Routing.Type = 'dhtserver'
  config.Swarm.RelayClient = { Enabled: false }
  config.Swarm.RelayService = { Enabled: true }
  config.Swarm.EnableHolePunching = false
  config.Swarm.ResourceMgr = { Enabled: false }
  config.AutoNAT = { ServiceMode: 'disabled' }
  // Relays serve only where they think they can be reached.
  config.Internal = { ...config.Internal, Libp2pForceReachability: 'public' }
  await writeFile(file, JSON.stringify(config))
}

async function ready(daemon: ChildProcess): Promise<void> {
  const { stdout, stderr } = daemon
  if (stdout === null || stderr === null) throw new Error('The daemon has no output.')
  const said: string[] = []
  createInterface({ input: stderr }).on('line', (line) => said.length < 50 && said.push(line))
  const lines = createInterface({ input: stdout })
  const isReady = new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      if (line === 'Daemon is ready') resolve()
    })
    daemon.once('exit', (code) => reject(new Error(`Kubo ended with ${String(code)}: ${said.join('\n')}`)))
    AbortSignal.timeout(startMs).addEventListener('abort', () => reject(new Error(`Kubo was not ready: ${said.join('\n')}`)))
  })
  await isReady
}

async function command(
  binary: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  input: Uint8Array | undefined,
): Promise<Uint8Array> {
  const options = { env, encoding: 'buffer', timeout: commandMs, maxBuffer: outputMax } as const
  const running = promisify(execFile)(binary, [...args], options)
  running.child.stdin?.end(input)
  return (await running).stdout
}
