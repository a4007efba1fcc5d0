import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import type { WantId } from '../../worker/engine/bitswap/contract.ts'
import type { EngineEffect } from '../../worker/engine/contract.ts'
import { EngineWorld } from '../support/engine-world.ts'

const cid = CID.createV1(0x55, Digest.create(0x12, createHash('sha256').update('nobody has it').digest()))

function wantFailed(effect: EngineEffect): effect is Extract<EngineEffect, { type: 'want-failed' }> {
  return effect.type === 'want-failed'
}

/** What a want for a block ends with in a network of so many peers, none of whom has it. */
function failureAmong(peers: number): string {
  const world = new EngineWorld({ seed: 1, peers })
  world.start()
  world.send({ type: 'want-block', want: 1 as WantId, cid: cid.bytes, session: undefined, providers: [] })
  return world.runUntil(wantFailed).failure.code
}

test('a want ends with no-peers where nobody could be asked, not with not-found', () => {
  assert.equal(failureAmong(0), 'no-peers')
})

test('a want ends with not-found where the search ran and named nobody', () => {
  assert.equal(failureAmong(30), 'not-found')
})
