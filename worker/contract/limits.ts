/**
 * What is bounded between the two threads. Single constants, not a table like the engine's: the page part is bundled
 * into other people's pages and carries only those it uses.
 */

/** Items a stream may have under way or unread; smoldot's measurements found about 10 enough to keep a stream busy. */
export const streamCreditsMax = 10

/** Time for the Worker's script to load and answer: 240 KB over a slow mobile line, with room. */
export const handshakeTimeoutMs = 30_000

/** Time for the Worker to open its database and its node; it does not wait for the network. */
export const startTimeoutMs = 60_000

/** Time for the Worker to write down what is kept and to close its connections, before it is terminated. */
export const stopTimeoutMs = 3_000

/** Time for the browser to release the locks of a terminated Worker; usually a few ms. */
export const releaseTimeoutMs = 1_000

/** Time for the page to read one block of a store that it offers, with the waiting: wants of the page wait for it too. */
export const offeredBlockTimeoutMs = 2_000

/** Calls of any kind that the Worker works on at once; queries and wants have a lower limit of their own. */
export const callsMax = 4_096

/** WebRTC certificates that the page keeps for dials about to begin; each dial makes one and uses it at once. */
export const rtcCertificatesMax = 32
