import { make } from './elements.ts'
import { count } from './words.ts'

/** Shows fetched bytes as what they are: a picture, a text, or a number of bytes. */

const textBytesMax = 64 * 1_024
const hexBytesMax = 256

interface Signature {
  readonly type: string
  readonly offset: number
  readonly bytes: readonly number[]
}

const signatures: readonly Signature[] = [
  { type: 'image/png', offset: 0, bytes: [0x89, 0x50, 0x4e, 0x47] },
  { type: 'image/jpeg', offset: 0, bytes: [0xff, 0xd8, 0xff] },
  { type: 'image/gif', offset: 0, bytes: [0x47, 0x49, 0x46, 0x38] },
  { type: 'image/webp', offset: 8, bytes: [0x57, 0x45, 0x42, 0x50] },
  { type: 'image/bmp', offset: 0, bytes: [0x42, 0x4d] },
  { type: 'image/avif', offset: 4, bytes: [0x66, 0x74, 0x79, 0x70, 0x61, 0x76, 0x69, 0x66] },
]

let shownUrl: string | undefined

/** Fills `place`. A picture is awaited until the browser has decoded it; bytes that only look like one are shown as text. */
export async function showBytes(place: HTMLElement, content: Uint8Array<ArrayBuffer>): Promise<'picture' | 'text' | 'bytes'> {
  if (shownUrl !== undefined) URL.revokeObjectURL(shownUrl)
  shownUrl = undefined
  const type = pictureType(content)
  if (type !== undefined && (await showPicture(place, content, type))) return 'picture'
  const text = textOf(content)
  const shown = make('pre', '', text ?? hexOf(content))
  shown.tabIndex = 0
  place.replaceChildren(shown)
  return text === undefined ? 'bytes' : 'text'
}

export function showFolder(place: HTMLElement, names: readonly string[]): void {
  place.replaceChildren(
    make('p', '', `A folder with ${count(names.length, 'entry', 'entries')}:`),
    make('ul', '', ...names.map((name) => make('li', '', name))),
  )
}

async function showPicture(place: HTMLElement, content: Uint8Array<ArrayBuffer>, type: string): Promise<boolean> {
  const url = URL.createObjectURL(new Blob([content], { type }))
  const image = make('img', '')
  image.alt = 'The fetched picture'
  image.src = url
  try {
    await image.decode()
  } catch {
    URL.revokeObjectURL(url)
    return false
  }
  shownUrl = url
  place.replaceChildren(image)
  return true
}

function pictureType(content: Uint8Array): string | undefined {
  const found = signatures.find(({ offset, bytes }) => bytes.every((byte, index) => content[offset + index] === byte))
  if (found !== undefined) return found.type
  const start = new TextDecoder().decode(content.subarray(0, 256)).trimStart()
  return start.startsWith('<svg') || (start.startsWith('<?xml') && start.includes('<svg')) ? 'image/svg+xml' : undefined
}

function textOf(content: Uint8Array): string | undefined {
  const cut = content.subarray(0, textBytesMax)
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(cut, { stream: cut.length < content.length })
    // A character of the lower control range means that the bytes are no text although they decode.
    return Array.from(text).some((character) => character < ' ' && !'\t\n\r'.includes(character)) ? undefined : text
  } catch {
    return undefined
  }
}

function hexOf(content: Uint8Array): string {
  const cut = content.subarray(0, hexBytesMax)
  const pairs = Array.from(cut, (byte) => byte.toString(16).padStart(2, '0'))
  const lines: string[] = []
  for (let at = 0; at < pairs.length; at += 16) lines.push(pairs.slice(at, at + 16).join(' '))
  if (content.length > cut.length) lines.push(`… ${count(content.length - cut.length, 'more byte')}`)
  return lines.join('\n')
}
