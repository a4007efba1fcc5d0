import * as Comlink from 'comlink'
import type { CallEnvelope, Greeting, Outcome, Welcome } from '../contract/rpc.ts'

/** The only file of the Worker that knows Comlink. */

export interface RpcApi {
  hello(greeting: Greeting): Promise<Outcome<Welcome>>
  /** `transfer`: buffers inside the outcome that move to the page. */
  call(envelope: CallEnvelope): Promise<{ readonly outcome: Outcome<unknown>; readonly transfer: readonly Transferable[] }>
}

/**
 * Answers the page's calls on this endpoint. Must run before the Worker's first `await`: calls that come earlier than
 * Comlink's listener hang. The functions resolve always, so that Comlink's handler for thrown errors, which loses their
 * code, has nothing to do.
 */
export function exposeApi(api: RpcApi, endpoint: Comlink.Endpoint): void {
  const remote = {
    hello: (greeting: Greeting) => api.hello(greeting),
    call: async (envelope: CallEnvelope) => {
      const { outcome, transfer } = await api.call(envelope)
      return Comlink.transfer(outcome, [...transfer])
    },
  }
  Comlink.expose(remote, endpoint)
}
