import { AminoError } from './errors.ts'
import type { Block, CidInput, GetBlockOptions, Session } from './types.ts'

/** What a session needs of its client. */
export interface SessionOwner {
  getBlock(cid: CidInput, options: GetBlockOptions): Promise<Block>
  getBlocks(cids: Iterable<CidInput>, options: GetBlockOptions): AsyncIterableIterator<Block>
  closeSession(id: number): Promise<void>
}

/** A session's handle on the page; the session itself lives in the Worker. */
export class ClientSession implements Session {
  readonly #owner: SessionOwner
  readonly #id: number
  #closing: Promise<void> | undefined

  constructor(owner: SessionOwner, id: number) {
    this.#owner = owner
    this.#id = id
  }

  getBlock(cid: CidInput, options: Omit<GetBlockOptions, 'session'> = {}): Promise<Block> {
    return this.#owner.getBlock(cid, { ...options, session: this })
  }

  getBlocks(cids: Iterable<CidInput>, options: Omit<GetBlockOptions, 'session'> = {}): AsyncIterableIterator<Block> {
    return this.#owner.getBlocks(cids, { ...options, session: this })
  }

  close(): Promise<void> {
    // What fails here failed because the Worker, and the session with it, is gone.
    this.#closing ??= this.#owner.closeSession(this.#id).catch(() => {})
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The session's number for its own client, while it is open. */
  static idFor(session: Session | undefined, owner: SessionOwner): number | undefined {
    if (session === undefined) return undefined
    if (!(session instanceof ClientSession) || session.#owner !== owner) {
      throw new AminoError('invalid-argument', 'session must come from createSession() of this very client.')
    }
    if (session.#closing !== undefined) throw new AminoError('invalid-argument', 'The session is closed. Create another one.')
    return session.#id
  }
}
