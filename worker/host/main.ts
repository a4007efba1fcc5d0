import { saltHashes } from '../engine/bytes-map.ts'
import { serve } from './rpc-server.ts'
import { webRtc } from './rtc/web-rtc.ts'
import { EngineService } from './service.ts'

/**
 * The Worker's entry. The service is exposed before anything is awaited, so that no call of the page is lost.
 *
 * An exception nobody caught (in libp2p, say) is told as a `fault`, and the client goes on; without this it would
 * reach the page as the Worker's `error`, which before the handshake means that the script could not be loaded.
 */
declare const self: DedicatedWorkerGlobalScope

saltHashes(crypto.getRandomValues(new Uint32Array(1))[0]!)

const service = new EngineService(webRtc)
serve(service, self, { locks: self.navigator.locks })

self.addEventListener('error', (event) => {
  service.reportFault(event.message)
  event.preventDefault()
})
self.addEventListener('unhandledrejection', (event) => {
  const reason: unknown = event.reason
  service.reportFault(reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason))
  event.preventDefault()
})
