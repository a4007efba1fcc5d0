import { ipns } from '@helia/ipns'
import { CID } from 'multiformats/cid'
import { running } from './helia-lab.ts'

/** Names beside it: a part of its own, because `@helia/ipns` brings some code of kad-dht, for its record format. */

export const heliaNamesLab = { publish, resolve }

declare global {
  interface Window {
    heliaNamesLab: typeof heliaNamesLab
  }
}

window.heliaNamesLab = heliaNamesLab

async function publish(cid: string): Promise<string> {
  const { publicKey } = await ipns(running()).publish('page', CID.parse(cid))
  return publicKey.toCID().toString()
}

async function resolve(name: string): Promise<string | undefined> {
  for await (const { value } of ipns(running()).resolve(CID.parse(name), { nocache: true })) return value
  return undefined
}
