import { limits } from '../../engine/limits.ts'
import type { RtcChannel } from './data-channel.ts'

/**
 * Channels that are here before a server speaks on them. A new channel comes by the page, which may be blocked, and a server that opens
 * a stream for each message (Kubo) needs one for each. Negotiated beforehand, under the number that the server will take next, it is
 * in the Worker already, and what the server says on it comes without the page.
 *
 *   made ──a message──▶ used: a channel of the server like any other
 *     ├──the number was in use──▶ gone: the server was faster, and the channel comes by the page
 *     └──passed over──▶ closed
 *
 * Only for servers that take the odd numbers in their order, none twice, and do not wait for an answer to the opening: the browser gives
 * none. That is Go (pion); libdatachannel (js-libp2p in Node) waits for ever.
 */
export class ReadyChannels {
  readonly #make: (number: number) => RtcChannel
  readonly #ready = new Map<number, RtcChannel>()
  #nextNumber = 1

  constructor(make: (number: number) => RtcChannel) {
    this.#make = make
  }

  /** So many messages may come. */
  atLeast(messages: number): void {
    const wanted = Math.min(messages, limits.rtcReadyChannelsMax.value)
    while (this.#ready.size < wanted && this.#nextNumber < limits.rtcChannelNumberMax.value) {
      this.#ready.set(this.#nextNumber, this.#make(this.#nextNumber))
      this.#nextNumber += 2
    }
  }

  /** The server speaks on the channel of that number, whichever way it came. */
  used(number: number): void {
    this.#ready.delete(number)
    this.#nextNumber = Math.max(this.#nextNumber, number + 2)
    for (const [other, channel] of this.#ready) {
      // Streams that were opened at once may speak in any order; one that failed never does.
      if (other >= number - 2 * limits.rtcReadyChannelsMax.value) return
      this.#ready.delete(other)
      channel.close()
    }
  }

  /** It has ended before the server said anything. */
  gone(number: number): void {
    this.#ready.delete(number)
  }
}
