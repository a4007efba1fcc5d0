import { limits } from '../../limits.ts'
import type { Millis } from '../../machine.ts'
import type { PeerIdBytes } from '../../peer.ts'
import type { Failure } from '../../query.ts'
import type { KadCommand } from '../contract.ts'
import { AskPeer } from './ask-peer.ts'
import { ClosestPeers } from './closest-peers.ts'
import type { Query, QueryContext } from './contract.ts'
import { FindPeer } from './find-peer.ts'
import { FindProviders } from './find-providers.ts'
import { GetValue } from './get-value.ts'
import { Provide } from './provide.ts'
import { PutValue } from './put-value.ts'
import { TellPeer } from './tell-peer.ts'

export type QueryCommand = Exclude<KadCommand, { type: 'cancel' }>

/** Why a command cannot be carried out, if so. The page has checked its form already. `underWay`: queries at present. */
export function commandFault(command: QueryCommand, underWay: number): Failure | undefined {
  if (underWay >= placesFor(command)) return tooMany(underWay)
  const fault = (message: string): Failure => ({ code: 'invalid-argument', message })
  if (keyBytesOf(command).length === 0) return fault('The key is empty. Give the bytes to look for.')
  if (command.type === 'find-providers' && !(command.limit >= 1)) return fault('The limit must be at least 1.')
  if (command.type === 'get-value' && !(command.quorum >= 1)) return fault('The quorum must be at least 1.')
  return undefined
}

/** The page leaves some to the searches of Bitswap, and what is in no hurry to what is. */
function placesFor(command: QueryCommand): number {
  const isUnhurried = 'lane' in command && command.lane !== undefined && !isDirect(command)
  if (isUnhurried) return limits.kadUnhurriedQueriesMax.value
  return command.query > 0 ? limits.kadPageQueriesMax.value : limits.kadQueriesMax.value
}

export function tooMany(underWay: number): Failure {
  return { code: 'too-many-queries', message: `${underWay} queries are under way already. Wait until some have ended.` }
}

export function isDirect({ type }: QueryCommand): boolean {
  return type === 'ask-peer' || type === 'tell-peer'
}

export function createQuery(command: QueryCommand, context: QueryContext, now: Millis): Query {
  switch (command.type) {
    case 'find-providers':
      return new FindProviders({ context, ...command, now })
    case 'closest-peers':
      return new ClosestPeers({ context, ...command, now })
    case 'find-peer':
      return new FindPeer({ context, query: command.query, peer: context.peers.intern(command.id), now })
    case 'get-value':
      return new GetValue({ context, ...command, now })
    case 'put-value':
      return new PutValue({ context, ...command, now })
    case 'provide':
      return new Provide({ context, ...command, now })
    case 'ask-peer':
      return new AskPeer({ context, ...command })
    case 'tell-peer':
      return new TellPeer({ context, ...command })
  }
}

function keyBytesOf(command: QueryCommand): Uint8Array | PeerIdBytes {
  switch (command.type) {
    case 'find-providers':
    case 'provide':
      return command.multihash
    case 'closest-peers':
    case 'ask-peer':
    case 'get-value':
    case 'put-value':
      return command.key
    case 'find-peer':
      return command.id
    case 'tell-peer':
      return command.info.peer.id
  }
}
