import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Strangers' servers in a process of their own (`peer-host-process.ts`). */

export interface HostOptions {
  readonly peers: number
  /** What each of them listens on. */
  readonly listen: readonly string[]
  readonly relay: boolean
  /** Of random bytes, which all of them serve. */
  readonly blocks: number
  readonly blockBytes: number
  /** Answers all that it is asked over a connection on one stream; Helia opens one for each message. */
  readonly keepsStream: boolean
}

export interface HostedPeer {
  readonly id: string
  /** With `/p2p/…`. */
  readonly multiaddrs: readonly string[]
}

export interface HostCount {
  /** Connections that were ever made, and that are open. */
  readonly opened: number
  readonly open: number
}

export type HostOrder = { readonly type: 'begin'; readonly options: HostOptions } | { readonly type: 'count' | 'hang-up' }

export type HostAnswer = { readonly peers: readonly HostedPeer[]; readonly cids: readonly string[] } | HostCount

export interface PeerHost {
  readonly peers: readonly HostedPeer[]
  readonly cids: readonly string[]
  count(): Promise<HostCount>
  /** Ends every connection without a goodbye. */
  hangUp(): Promise<void>
  /** All of them are gone at once. */
  end(): Promise<void>
}

export const webSocketListen = '/ip4/127.0.0.1/tcp/0/ws'
export const webRtcDirectListen = '/ip4/127.0.0.1/udp/0/webrtc-direct'

export async function startPeerHost(options: Partial<HostOptions>): Promise<PeerHost> {
  const child = fork(fileURLToPath(new URL('./peer-host-process.ts', import.meta.url)))
  let number = 0
  const ask = <Answer extends HostAnswer>(order: HostOrder): Promise<Answer> => answerTo<Answer>(child, ++number, order)
  const whole = {
    peers: 1,
    listen: [webSocketListen],
    relay: false,
    blocks: 1,
    blockBytes: 1_024,
    keepsStream: false,
    ...options,
  }
  const { peers, cids } = await ask<Extract<HostAnswer, { cids: unknown }>>({ type: 'begin', options: whole })
  return {
    peers,
    cids,
    count: () => ask<HostCount>({ type: 'count' }),
    hangUp: async () => void (await ask({ type: 'hang-up' })),
    end: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

function answerTo<Answer>(child: ChildProcess, number: number, order: HostOrder): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const take = (message: { number: number; answer: Answer }): void => {
      if (message.number !== number) return
      child.off('message', take)
      child.off('exit', ended)
      resolve(message.answer)
    }
    const ended = (): void => reject(new Error('The strangers’ process has ended.'))
    child.on('message', take)
    child.once('exit', ended)
    child.send({ number, order })
  })
}
