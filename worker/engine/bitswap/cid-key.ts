/**
 * The multihash inside a binary CID, without copying. Wants are kept by it: whoever has a block has it whatever
 * version and codec its CID is written with, and some peers answer with the CID another of our wants used.
 * Total: bytes that are no CID come back whole or cut, and never match anything real.
 */
export function multihashOf(cid: Uint8Array): Uint8Array {
  const isVersion0 = cid.length === 34 && cid[0] === 0x12 && cid[1] === 0x20
  return isVersion0 ? cid : cid.subarray(afterVarint(cid, afterVarint(cid, 0)))
}

function afterVarint(bytes: Uint8Array, start: number): number {
  let offset = start
  while (offset < bytes.length && bytes[offset]! >= 0x80) offset++
  return offset + 1
}
