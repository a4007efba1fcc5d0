/**
 * The version of this package. Page and Worker are built together and speak only to their own kind: any difference is
 * refused at the handshake, so that the rest of the contract may change freely. A test keeps it equal to package.json.
 */
export const version = '0.1.0'
