/**
 * The Worker's script on the page's own thread: in a frame, which has a global scope of its own, with the browser's own
 * WebRTC. All else is the same code, so that the thread is the only difference.
 */

function begin({ ports: [port] }: MessageEvent): void {
  if (port === undefined) return
  for (const name of ['RTCPeerConnection', 'RTCIceCandidate', 'RTCSessionDescription'] as const) {
    const own = window[name]
    // The shim would be put here.
    Object.defineProperty(window, name, { get: () => own, set() {} })
  }
  const listen = window.addEventListener.bind(window) as (type: string, ...rest: unknown[]) => void
  Object.assign(window, {
    postMessage: (message: unknown, transfer: Transferable[] = []) => port.postMessage(message, transfer),
    addEventListener: (type: string, listener: EventListener, ...rest: unknown[]) => {
      if (type === 'message') port.addEventListener(type, listener)
      else listen(type, listener, ...rest)
    },
  })
  const script = document.createElement('script')
  script.type = 'module'
  script.src = '/worker.js'
  // What came before it listens would be lost.
  script.addEventListener('load', () => port.start())
  document.head.append(script)
}

window.addEventListener('message', begin, { once: true })
