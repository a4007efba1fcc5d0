import { parentPort } from 'node:worker_threads'
import { serve, type ServerScope } from '../../worker/host/rpc-server.ts'
import { fakeService } from './fake-service.ts'

/** A Worker's entry module for `node:worker_threads`: the real server and a service to play with, on a thread of its own. */

const port = parentPort
if (port === null) throw new Error('runs in a Worker only')

const listeners = new EventTarget()
port.on('message', (data: unknown) => listeners.dispatchEvent(new MessageEvent('message', { data })))

const scope: ServerScope = {
  postMessage: (message, transfer = []) => port.postMessage(message, transfer as never),
  addEventListener: (type, listener) => listeners.addEventListener(type, listener as EventListener),
  removeEventListener: (type, listener) => listeners.removeEventListener(type, listener as EventListener),
}

const service = fakeService({
  findPeer: () => new Promise(() => {}),
  // Blocks this thread: no message is answered any more.
  getValue: () => {
    for (;;);
  },
})

serve(service, scope, { locks: navigator.locks })
