import { make } from './elements.ts'
import { count } from './words.ts'

const bucketSize = 20

/**
 * The routing table as bars, one a bucket. Buckets beyond the last one that holds a peer are left out. The whole is one
 * image to a screen reader, with the numbers as its name.
 */
export function showBuckets(place: HTMLElement, sizes: readonly number[]): void {
  const used = sizes.slice(0, sizes.findLastIndex((size) => size > 0) + 1)
  const total = used.reduce((sum, size) => sum + size, 0)
  const listed = used.map((size, index) => `${index} bits: ${size}`).join(', ')
  const name =
    total === 0 ? 'The routing table is empty' : `${count(total, 'peer')} in ${count(used.length, 'bucket')}. ${listed}`
  if (place.getAttribute('aria-label') === name && place.childElementCount > 0) return
  place.setAttribute('aria-label', name)
  const shown = used.length === 0 ? [0] : used
  while (place.childElementCount > shown.length) place.lastElementChild?.remove()
  shown.forEach((size, index) => {
    const bucket = place.children[index] ?? place.appendChild(emptyBucket(index))
    if (bucket instanceof HTMLElement) fill(bucket, size, index)
  })
}

function emptyBucket(index: number): HTMLElement {
  return make('div', 'bucket', make('span', 'size'), make('span', 'well', make('span', 'bar')), make('span', '', `${index}`))
}

function fill(bucket: HTMLElement, size: number, index: number): void {
  bucket.style.setProperty('--fill', `${Math.min(1, size / bucketSize)}`)
  const label = bucket.querySelector('.size')
  if (label !== null) label.textContent = `${size}`
  bucket.title = `${count(size, 'peer')} with ${count(index, 'leading bit')} in common with ours`
}
