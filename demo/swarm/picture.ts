import { crc32 } from 'node:zlib'
import { createRandom, seedOf } from './random.ts'

/**
 * A landscape at dusk as a PNG, the same for the same seed on every machine: noise from integer hashes, no `Math.sin`,
 * and the pixels are stored rather than deflated, since each zlib build squeezes a little differently and the CID
 * would change with it. That also makes the file big enough to be worth several blocks.
 */

export const PICTURE_WIDTH = 640
export const PICTURE_HEIGHT = 400

type Colour = readonly [red: number, green: number, blue: number]

interface Mood {
  readonly zenith: Colour
  readonly horizon: Colour
  readonly sun: Colour
  readonly nearest: Colour
}

const MOODS: readonly Mood[] = [
  { zenith: [28, 36, 84], horizon: [250, 164, 112], sun: [255, 236, 190], nearest: [20, 18, 44] },
  { zenith: [18, 52, 74], horizon: [244, 196, 148], sun: [255, 244, 214], nearest: [8, 30, 40] },
  { zenith: [52, 28, 86], horizon: [246, 138, 140], sun: [255, 220, 196], nearest: [28, 12, 44] },
  { zenith: [24, 44, 96], horizon: [190, 208, 226], sun: [255, 250, 232], nearest: [16, 30, 52] },
]

const RIDGES = 5
const WATERLINE = 0.78
const HORIZON = 0.62

export function paintPicture(seed: string): Uint8Array {
  const random = createRandom(`picture/${seed}`)
  const salt = seedOf(`ridges/${seed}`)
  const mood = MOODS[random.integer(MOODS.length)] as Mood
  const sunX = 0.25 + 0.5 * random.next()
  const sunY = 0.3 + 0.14 * random.next()
  const skylines = Array.from({ length: RIDGES }, (_, ridge) => skyline(ridge, salt))
  const pixels = new Uint8Array(PICTURE_WIDTH * PICTURE_HEIGHT * 3)

  for (let row = 0; row < PICTURE_HEIGHT; row++) {
    const y = row / PICTURE_HEIGHT
    for (let column = 0; column < PICTURE_WIDTH; column++) {
      const colour = y < WATERLINE ? land(column, y) : water(column, row)
      const grain = (hash(column, row, salt) - 0.5) * 5
      const offset = (row * PICTURE_WIDTH + column) * 3
      for (let channel = 0; channel < 3; channel++) {
        pixels[offset + channel] = Math.max(0, Math.min(255, Math.round((colour[channel] as number) + grain)))
      }
    }
  }
  return encodePng(pixels, PICTURE_WIDTH, PICTURE_HEIGHT)

  function land(column: number, y: number): Colour {
    for (let ridge = RIDGES - 1; ridge >= 0; ridge--) {
      const top = (skylines[ridge] as Float64Array)[column] as number
      if (y >= top) {
        const nearness = (ridge + 1) / RIDGES
        const haze = mix(mood.horizon, mood.nearest, 0.25 + 0.75 * nearness)
        return mix(haze, mood.horizon, Math.min(0.45, (y - top) * (1.6 - nearness)))
      }
    }
    return sky(column / PICTURE_WIDTH, y)
  }

  function sky(x: number, y: number): Colour {
    const height = Math.min(1, y / HORIZON)
    const base = mix(mood.zenith, mood.horizon, height * height * (1.6 - 0.6 * height))
    const dx = (x - sunX) * (PICTURE_WIDTH / PICTURE_HEIGHT)
    const dy = y - sunY
    const distance2 = dx * dx + dy * dy
    const glow = 0.02 / (0.02 + distance2)
    const disc = smooth(Math.max(0, Math.min(1, (0.0042 - distance2) / 0.0006)))
    const cloud = cloudiness(x, y)
    return mix(mix(mix(base, mood.sun, glow * 0.7), mood.sun, disc), mood.horizon, cloud * 0.35)
  }

  function cloudiness(x: number, y: number): number {
    const bands = fractal(x * 4, salt + 77, 4) * 0.5 + fractal(x * 3 + y * 26, salt + 99, 4) * 0.5
    return smooth(Math.max(0, Math.min(1, (bands - 0.5) * 4)))
  }

  function water(column: number, row: number): Colour {
    const depth = row / PICTURE_HEIGHT - WATERLINE
    const ripple = (noise(row * 0.9, salt + 5) - 0.5) * (6 + depth * 160)
    const mirrored = Math.max(0, Math.min(PICTURE_WIDTH - 1, Math.round(column + ripple)))
    const reflected = land(mirrored, WATERLINE - depth * 2.4)
    const glint = hash(column >> 3, row, salt + 9) > 0.985 ? 0.2 : 0
    return mix(mix(reflected, mood.zenith, 0.25 + depth * 1.2), mood.sun, glint)
  }
}

/** Height of a ridge per column, as a share of the picture from the top. Nearer ridges stand lower and are rougher. */
function skyline(ridge: number, salt: number): Float64Array {
  const heights = new Float64Array(PICTURE_WIDTH)
  const base = 0.5 + ridge * 0.062
  const swing = 0.26 - ridge * 0.03
  for (let column = 0; column < PICTURE_WIDTH; column++) {
    const x = (column / PICTURE_WIDTH) * (2.2 + ridge * 1.3)
    heights[column] = base - (fractal(x, salt + ridge * 1013, 6) - 0.42) * swing
  }
  return heights
}

function fractal(x: number, salt: number, octaves: number): number {
  let sum = 0
  let weight = 0.5
  let total = 0
  for (let octave = 0; octave < octaves; octave++) {
    sum += noise(x, salt + octave * 131) * weight
    total += weight
    x *= 2.03
    weight *= 0.5
  }
  return sum / total
}

function noise(x: number, salt: number): number {
  const cell = Math.floor(x)
  const from = hash(cell, 0, salt)
  const to = hash(cell + 1, 0, salt)
  return from + (to - from) * smooth(x - cell)
}

function smooth(t: number): number {
  return t * t * (3 - 2 * t)
}

function hash(x: number, y: number, salt: number): number {
  let mixed = Math.imul(x, 0x27d4eb2d) ^ Math.imul(y, 0x165667b1) ^ salt
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d)
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39)
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 0x1_0000_0000
}

function mix(from: Colour, to: Colour, share: number): Colour {
  return [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share, from[2] + (to[2] - from[2]) * share]
}

/** PNG (W3C, third edition), 8-bit RGB, no filter, stored zlib blocks. */
function encodePng(pixels: Uint8Array, width: number, height: number): Uint8Array {
  const stride = width * 3
  const rows = new Uint8Array(height * (stride + 1))
  for (let row = 0; row < height; row++) {
    rows.set(pixels.subarray(row * stride, (row + 1) * stride), row * (stride + 1) + 1)
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  const parts = [signature, chunk('IHDR', header), chunk('IDAT', storedZlib(rows)), chunk('IEND', new Uint8Array())]
  return new Uint8Array(Buffer.concat(parts))
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const framed = Buffer.alloc(body.length + 8)
  framed.writeUInt32BE(data.length, 0)
  framed.set(body, 4)
  framed.writeUInt32BE(crc32(body), body.length + 4)
  return framed
}

/** RFC 1950 around RFC 1951 stored blocks. */
function storedZlib(data: Uint8Array): Buffer {
  const blockMax = 0xffff
  const parts = [Buffer.from([0x78, 0x01])]
  for (let start = 0; start < data.length; start += blockMax) {
    const block = data.subarray(start, start + blockMax)
    const head = Buffer.alloc(5)
    head.writeUInt8(start + blockMax >= data.length ? 1 : 0, 0)
    head.writeUInt16LE(block.length, 1)
    head.writeUInt16LE(~block.length & 0xffff, 3)
    parts.push(head, Buffer.from(block))
  }
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(adler32(data), 0)
  return Buffer.concat([...parts, checksum])
}

function adler32(data: Uint8Array): number {
  let a = 1
  let b = 0
  for (const byte of data) {
    a = (a + byte) % 65521
    b = (b + a) % 65521
  }
  return ((b << 16) | a) >>> 0
}
