/**
 * WebRTC for the Worker. `RTCPeerConnection` exists on pages only, so the page owns the real connections and the Worker
 * a shim of them; data channels themselves are transferred, and their bytes never touch the page's thread.
 *
 *   Worker (`host/rtc/`)                            page (`src/rtc-bridge/`)
 *     { control: 'rtc', port } ──────────────────▶   on the channel of the notices, once, at the start
 *     open, create-channel, close ───────────────▶   no answer: what fails is told as `failed`
 *     ask(call, …) ──────────────────────────────▶
 *          ◀──────────────── answer(call, …, state)
 *          ◀──────────────── state | candidate | channel (transferred) | failed
 *
 * The Worker makes the port, so that the shim works at once. Every report brings the connection's state along: the shim
 * has it before it tells anybody. Channels are transferred in the task that made them; a browser that refuses is told
 * as `refused`, and the Worker then does without WebRTC.
 */

/** Chosen by the Worker; unique among the connections, channels, certificates or calls of one client. */
export type RtcId = number

/** An `RTCConfiguration` as far as it is used. Certificates are handles: they cannot leave the page. */
export interface RtcConfigurationData {
  readonly iceServers?: readonly RtcIceServer[]
  readonly certificates?: readonly RtcId[]
}

/** A STUN or TURN server, as browsers take it. */
export interface RtcIceServer {
  readonly urls: string | readonly string[]
  readonly username?: string
  readonly credential?: string
}

export interface RtcDescription {
  readonly type: 'offer' | 'answer' | 'pranswer' | 'rollback'
  readonly sdp?: string | undefined
}

export interface RtcCandidateInit {
  readonly candidate?: string
  readonly sdpMid?: string | null
  readonly sdpMLineIndex?: number | null
  readonly usernameFragment?: string | null
}

export interface RtcChannelInit {
  readonly ordered?: boolean
  readonly protocol?: string
  readonly negotiated?: boolean
  readonly id?: number
}

export type RtcConnectionState = 'new' | 'connecting' | 'connected' | 'disconnected' | 'failed' | 'closed'

export interface RtcState {
  readonly connectionState: RtcConnectionState
  readonly localDescription: RtcDescription | undefined
}

/** What is answered. Only offers and answers bring a value back. */
export type RtcQuestion =
  | { readonly ask: 'generate-certificate'; readonly certificate: RtcId; readonly algorithm: Readonly<Record<string, unknown>> }
  | { readonly ask: 'create-offer' | 'create-answer'; readonly connection: RtcId }
  | {
      readonly ask: 'set-local-description' | 'set-remote-description'
      readonly connection: RtcId
      /** Undefined: the browser makes it. */
      readonly description: RtcDescription | undefined
    }
  | { readonly ask: 'add-ice-candidate'; readonly connection: RtcId; readonly candidate: RtcCandidateInit | undefined }

export type RtcCommand =
  | { readonly type: 'open'; readonly connection: RtcId; readonly configuration: RtcConfigurationData }
  | {
      readonly type: 'create-channel'
      readonly connection: RtcId
      readonly channel: RtcId
      readonly label: string
      readonly init: RtcChannelInit | undefined
    }
  | { readonly type: 'close'; readonly connection: RtcId }
  | { readonly type: 'ask'; readonly call: RtcId; readonly question: RtcQuestion }

/** A `DOMException` as plain data: `RTCError` cannot be cloned. */
export interface RtcFault {
  readonly name: string
  readonly message: string
}

export type RtcReport =
  | {
      readonly type: 'answer'
      readonly call: RtcId
      readonly fault: RtcFault | undefined
      readonly description: RtcDescription | undefined
      /** Undefined where the question was about no connection, or about one that is gone. */
      readonly state: RtcState | undefined
    }
  | { readonly type: 'state'; readonly connection: RtcId; readonly state: RtcState }
  /** `candidate` undefined: the end of the candidates. */
  | {
      readonly type: 'candidate'
      readonly connection: RtcId
      readonly candidate: RtcCandidateInit | undefined
      readonly state: RtcState
    }
  | {
      readonly type: 'channel'
      readonly connection: RtcId
      /** The one the Worker asked for; undefined for one that the other side opened. */
      readonly channel: RtcId | undefined
      readonly transferred: RTCDataChannel
      readonly state: RtcState
    }
  /** The connection, or (with `channel`) only the channel, could not be made. */
  | { readonly type: 'failed'; readonly connection: RtcId; readonly channel: RtcId | undefined; readonly fault: RtcFault }
  /** This browser transfers no data channels. */
  | { readonly type: 'refused'; readonly fault: RtcFault }
