/** One end of a channel for messages. A port is one; so would be a share of a BroadcastChannel. */
export interface MessageEndpoint<Sent, Received> {
  post(message: Sent): void
  /** Called once; messages that came before are delivered then. */
  listen(listener: (message: Received) => void): void
  /** No more messages in either direction. Only the side that had the last word said to it closes: see `stream.ts`. */
  close(): void
}

/** A MessagePort as an endpoint of its own. */
export function portEndpoint<Sent, Received>(port: MessagePort): MessageEndpoint<Sent, Received> {
  return {
    post: (message) => port.postMessage(message),
    listen: (listener) => {
      port.onmessage = (event: MessageEvent<Received>) => listener(event.data)
    },
    close: () => {
      port.onmessage = null
      port.close()
    },
  }
}
