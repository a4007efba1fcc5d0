/** The closed list of error codes, and the plain form in which an error crosses from the Worker to the page. */

export const errorCodes = {
  'invalid-cid': 'The text or value given is not a CID.',
  'invalid-key': 'The key has not the form that the operation needs.',
  'invalid-argument': 'An argument is outside of what is allowed.',
  'invalid-block': 'The bytes do not match the CID.',
  'invalid-record': 'The value is not valid for its key, or only invalid values were found.',
  'unsupported-hash': 'The CID uses a hash function that this client does not know.',
  'not-found': 'Nothing was found although the search ran to its end.',
  'no-peers': 'No peer of the network could be reached.',
  'not-dialable': 'This client has no address at which others can reach it, so that providing would be of no use.',
  timeout: 'The operation took longer than allowed.',
  aborted: 'The caller aborted the operation.',
  stopped: 'The client was stopped.',
  'not-started': 'The client could not start.',
  'worker-load-failed': 'The Worker script could not be loaded.',
  'worker-died': 'The Worker ended unexpectedly.',
  'version-mismatch': 'Page and Worker come from different versions of this package.',
  'storage-in-use': 'Another client uses this storage name.',
  storage: 'The browser refused to store or read data.',
  'too-many-queries': 'Too many operations run at once.',
  'too-large': 'A value or block is larger than the network allows.',
  internal: 'A fault of this package.',
} as const satisfies Record<string, string>

export type ErrorCode = keyof typeof errorCodes

/** An error as plain data. `detail` holds only what survives a structured clone. */
export interface PlainError {
  readonly code: ErrorCode
  readonly message: string
  readonly detail?: Readonly<Record<string, string | number | boolean>>
}
