import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import type { Heard } from '../../demo/swarm/ledger.ts'
import type { StageInfo } from './stage-info.ts'

/** What the servers of the swarm have heard of a peer, in all. */
export interface HeardInAll {
  readonly servers: readonly Heard[]
  /** ADD_PROVIDER messages. */
  readonly messages: number
  /** Pairs of a content and a server that was told of it. */
  readonly records: number
  /** That the peer has opened to one server, at most. */
  readonly mostConnections: number
}

export async function heardOf(stage: Pick<StageInfo, 'url'>, peer: string): Promise<HeardInAll> {
  // A connection of its own: one that is kept may be closed by the server just when it is used again.
  const request = get(`${stage.url}servers.json?peer=${peer}`, { agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const servers = (await json(response)) as readonly Heard[]
  return {
    servers,
    messages: servers.reduce((sum, { messages }) => sum + messages, 0),
    records: servers.reduce((sum, { contents }) => sum + contents, 0),
    mostConnections: Math.max(...servers.map(({ connections }) => connections)),
  }
}
