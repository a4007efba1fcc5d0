import * as Comlink from 'comlink'
import type { CallEnvelope, Greeting, Outcome, Welcome } from '../worker/contract/rpc.ts'

/** The only file of the page that knows Comlink. */

export interface RemoteApi {
  hello(greeting: Greeting): Promise<Outcome<Welcome>>
  /** `transfer`: buffers inside the envelope that move to the Worker. */
  call(envelope: CallEnvelope, transfer: Transferable[]): Promise<Outcome<unknown>>
}

/**
 * The Worker's functions. They never settle if the Worker dies, and a rejection is a fault of ours (something that
 * cannot be cloned): both are the caller's to handle.
 */
export function wrapWorker(worker: Worker): RemoteApi {
  const remote = Comlink.wrap<{ hello: RemoteApi['hello']; call: (envelope: CallEnvelope) => Promise<Outcome<unknown>> }>(worker)
  // Held for as long as the returned object: Comlink releases the endpoint when its proxies are collected. Each access
  // to a property makes a further proxy, so there is one access each.
  const { hello, call } = remote
  return {
    hello: (greeting) => hello(greeting),
    call: (envelope, transfer) => call(Comlink.transfer(envelope, transfer)),
  }
}
