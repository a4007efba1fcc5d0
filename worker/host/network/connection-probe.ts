import type { Connection } from '@libp2p/interface'
import { limits } from '../../engine/limits.ts'

/**
 * Finds the connections that died without a word, while the device slept, when it changed networks, or at the other end: each is asked once,
 * a few at a time, and ended if it does not answer. Sockets that look open would otherwise hold up every request to
 * their peers for its whole deadline.
 */
export async function endDeadConnections(
  connections: readonly Connection[],
  ping: (connection: Connection, signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const left = [...connections]
  const work = async (): Promise<void> => {
    for (let connection = left.pop(); connection !== undefined; connection = left.pop()) {
      try {
        await ping(connection, AbortSignal.timeout(limits.connectionProbeTimeoutMs.value))
      } catch (error) {
        // It said that it knows no ping.
        const isAlive = error instanceof Error && error.name === 'UnsupportedProtocolError'
        if (!isAlive && connection.status === 'open') connection.abort(new Error('did not answer a ping'))
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limits.connectionProbesMax.value, connections.length) }, work))
}
