import type { AminoClient, ProvideStatus } from 'amino-worker'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { element, make } from './elements.ts'
import type { SweepResult } from './results.ts'
import type { Network } from './visit.ts'
import { clock, count, share } from './words.ts'

/** What is kept provided: the keyspace as a bar, and how far the records got, as the client says; and as the servers say. */

const places = {
  title: element('sweep-state', HTMLElement),
  words: element('sweep-words', HTMLElement),
  progress: element('sweep-progress', HTMLProgressElement),
  keyspace: element('keyspace', HTMLElement),
  kept: element('sweep-kept', HTMLElement),
  waiting: element('sweep-waiting', HTMLElement),
  coverage: element('sweep-coverage', HTMLElement),
  undialable: element('sweep-undialable', HTMLElement),
  due: element('sweep-due', HTMLElement),
  end: element('sweep-end', HTMLElement),
  servers: element('sweep-servers', HTMLElement),
  pause: element('pause-button', HTMLButtonElement),
  clear: element('clear-button', HTMLButtonElement),
}

const rawCodec = 0x55
/** Of the public network, only as much as a visitor may reasonably leave there. */
const amounts: Readonly<Record<Network['type'], readonly number[]>> = { local: [100, 500, 2_000], public: [5, 20] }

export function offerAmounts(place: HTMLSelectElement, type: Network['type']): void {
  const options = amounts[type].map((amount) => {
    const option = make('option', '', `${amount} notes`)
    option.value = `${amount}`
    return option
  })
  place.replaceChildren(...options)
}

/** Writes small notes, each a block that this page serves, and hands their CIDs over; telling the network goes on in the Worker. */
export async function keepNotes(
  client: AminoClient,
  amount: number,
  signal: AbortSignal,
  onProgress: (given: number) => void,
): Promise<string> {
  async function* notes(): AsyncGenerator<CID> {
    for (let number = 1; number <= amount; number++) {
      const bytes = new TextEncoder().encode(`Note ${number} of ${client.peerId}.`)
      const cid = CID.createV1(rawCodec, await sha256.digest(bytes))
      await client.putBlock(cid, bytes, { signal })
      yield cid
    }
  }
  const { given, added } = await client.provideMany(notes(), { signal, onProgress: (progress) => onProgress(progress.given) })
  return added === 0 ? `All ${given} were kept before.` : `${count(added, 'CID')} added; they are told region by region.`
}

const phases: Readonly<Record<ProvideStatus['phase'], string>> = {
  idle: 'Nothing to tell at the moment',
  working: 'Telling the network',
  paused: 'Paused',
  offline: 'Nobody answers; it is tried again',
  'not-dialable': 'Waiting for an address at which others can reach this page',
}

/** `heard`: messages and connections as the servers of the local swarm count them. */
export function showSweep(result: SweepResult, status: ProvideStatus | undefined): void {
  places.pause.disabled = status === undefined
  places.clear.disabled = status === undefined || status.provided === 0
  if (status === undefined) return
  const { phase, provided, queued, region, totals, keyspace } = status
  const told = keyspace.reduce((sum, part) => sum + part.told, 0)
  Object.assign(result, { phase, provided, queued, told, stored: totals.stored })
  write(places.title, phases[phase])
  write(places.words, provided === 0 ? 'Nothing is kept provided yet.' : inWords(status, told))
  places.progress.value = provided === 0 ? 0 : told / provided
  showKeyspace(keyspace, phase === 'working' ? region : undefined)
  write(places.kept, count(provided, 'CID'))
  write(places.waiting, `${provided - told}`)
  const { stored, targeted, undialable, failed, keys } = totals
  write(places.coverage, targeted === 0 ? '–' : `${(stored / keys).toFixed(1)} of ${(targeted / keys).toFixed(1)}`)
  write(places.undialable, targeted === 0 ? '–' : `${share(undialable, targeted)}, ${failed} failed`)
  write(places.due, status.nextDueAt === undefined || status.nextDueAt === 0 ? '–' : clock(status.nextDueAt))
  write(places.end, status.endsAt === undefined ? '–' : clock(status.endsAt))
  write(places.servers, result.heard === undefined ? '–' : heardWords(result.heard))
  write(places.pause, phase === 'paused' ? 'Resume' : 'Pause')
}

function inWords({ provided, region, phase, cells }: ProvideStatus, told: number): string {
  const place = region === '' ? ' All of it is one region.' : ` Now in region ${region}.`
  const where = phase === 'working' && region !== undefined ? place : ''
  const gone = cells.expired === 0 ? '' : ` The records of ${count(cells.expired, 'part')} have run out.`
  return `${told} of ${provided} told in this cycle (${share(told, provided)}).${where}${gone}`
}

function heardWords({ messages, connections }: NonNullable<SweepResult['heard']>): string {
  return `${count(messages, 'record')} over ${count(connections, 'connection')}`
}

/** A column a part of the keyspace. To a screen reader all of it is one image; the sentence beside it has the numbers. */
function showKeyspace(parts: ProvideStatus['keyspace'], region: string | undefined): void {
  const { keyspace } = places
  while (keyspace.childElementCount < parts.length) keyspace.append(make('span', 'part', make('span', 'told')))
  const done = parts.filter(({ kept, told }) => kept > 0 && told === kept).length
  const used = parts.filter(({ kept }) => kept > 0).length
  keyspace.setAttribute('aria-label', `Keyspace in ${parts.length} parts: ${used} with CIDs, ${done} of them told`)
  parts.forEach(({ kept, told, expired }, index) => {
    const part = keyspace.children[index]
    if (!(part instanceof HTMLElement)) return
    part.style.setProperty('--told', kept === 0 ? '0%' : `${(100 * told) / kept}%`)
    part.dataset['kind'] = kept === 0 ? 'empty' : expired > 0 ? 'expired' : 'used'
    part.toggleAttribute('data-current', region !== undefined && isWithin(index, parts.length, region))
    part.title = kept === 0 ? 'No CIDs here' : `${told} of ${count(kept, 'CID')} told`
  })
}

/** Whether a part, which stands for the first bits of its index, and the region overlap. */
function isWithin(index: number, parts: number, region: string): boolean {
  const bits = index.toString(2).padStart(Math.log2(parts), '0')
  return bits.startsWith(region) || region.startsWith(bits)
}

/** What the servers of the local swarm have counted of this peer. */
export async function askServers(peerId: string): Promise<SweepResult['heard']> {
  const response = await fetch(`servers.json?peer=${peerId}`)
  if (!response.ok) return undefined
  const servers = (await response.json()) as readonly { readonly messages: number; readonly connections: number }[]
  return {
    messages: servers.reduce((sum, { messages }) => sum + messages, 0),
    connections: servers.reduce((sum, { connections }) => sum + connections, 0),
  }
}

function write(place: HTMLElement, text: string): void {
  if (place.textContent !== text) place.textContent = text
}
