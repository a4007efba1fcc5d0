import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker as Thread } from 'node:worker_threads'
import { createAminoClient } from '../../src/index.ts'
import { codeOf, collect } from '../support/client-harness.ts'
import { peerText } from '../support/fake-service.ts'

const cid = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'

/** A thread of Node with the face of a Web Worker. */
class ThreadWorker extends EventTarget {
  readonly #thread = new Thread(new URL('../support/thread-worker.ts', import.meta.url))

  constructor() {
    super()
    this.#thread.on('message', (data: unknown) => this.dispatchEvent(new MessageEvent('message', { data })))
    // Node frees the locks of a thread that has ended, but looks after those who wait only with the next request.
    this.#thread.on('exit', () => void navigator.locks.request('nudge', () => {}))
    this.#thread.on('error', (error: Error) => this.dispatchEvent(Object.assign(new Event('error'), { message: error.message })))
  }

  postMessage(message: unknown, transfer: Transferable[] = []): void {
    this.#thread.postMessage(message, transfer as never)
  }

  terminate(): void {
    void this.#thread.terminate()
  }

  asWorker(): Worker {
    return this as unknown as Worker
  }
}

test('across real threads: calls, streams, a transferred block, and death noticed by the lock alone', async () => {
  const worker = new ThreadWorker()
  const client = await createAminoClient({ worker: worker.asWorker() })
  assert.equal((await client.status()).peerId, peerText)
  assert.equal((await collect(client.findProviders(cid))).length, 1)
  const { bytes } = await client.getBlock(cid)
  assert.deepEqual(bytes, Uint8Array.of(7, 8))
  const mine = Uint8Array.of(1, 2)
  await client.putBlock(cid, mine)
  assert.equal(mine.length, 2)
  const pending = [codeOf(client.findPeer(peerText)), codeOf(client.getValue(`/ipns/${peerText}`))]
  // Somebody else's terminate, and the thread is busy: nothing but the lock can tell.
  worker.terminate()
  assert.deepEqual(await Promise.all(pending), ['worker-died', 'worker-died'])
  await client.stop()
})

test('across real threads: stop ends the thread and the next client starts', async () => {
  for (let visit = 0; visit < 2; visit++) {
    const client = await createAminoClient({ worker: new ThreadWorker().asWorker() })
    const pending = codeOf(client.findPeer(peerText))
    await client.stop()
    assert.equal(await pending, 'stopped')
  }
})
