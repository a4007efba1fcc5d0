import { hashOf, unitOf } from '../core/draws.ts'
import type { SimTime } from '../core/agenda.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { zoneAt } from './population.ts'
import { zones } from './settings.ts'

/**
 * Who provides what, and for how long: the content of the DHT as the database of the Hydras showed it in November 2022
 * (seed 001). A place holds one content after the other, so that their number stays the same while half of them change in
 * a day. What a place holds at a time is a function of seed, place and time; a provider is its rank by size, the largest first.
 */
export interface WorkloadSettings {
  /** Contents at a time. */
  readonly contents: number
  /** Peers that provide something. Assumption; 56k peers were seen of all kinds. */
  readonly providers: number
  /** Share of contents with one provider: 85 % in the graph, "~80 %" in the summary. */
  readonly single: number
  readonly double: number
  /** Of the rest: P(more than n) falls with n to the power of minus this. Assumption; eight contents had over 30k. */
  readonly tailExponent: number
  /** Share of contents that another has replaced a day later. */
  readonly dailyChurn: number
}

export const workload2022: WorkloadSettings = {
  contents: 20_000,
  providers: 2_000,
  single: 0.83,
  double: 0.1,
  tailExponent: 1.5,
  dailyChurn: 0.5,
}

/** Share of all contents that each of the ten largest provides, and where it was seen. */
export const largestProviders: readonly { readonly share: number; readonly countries: readonly Country[] }[] = [
  { share: 0.131, countries: ['NL', 'US'] },
  { share: 0.089, countries: ['US'] },
  { share: 0.068, countries: ['US'] },
  { share: 0.059, countries: ['US'] },
  { share: 0.056, countries: ['US'] },
  { share: 0.046, countries: ['US'] },
  { share: 0.042, countries: ['US'] },
  { share: 0.038, countries: ['US'] },
  { share: 0.035, countries: ['NL'] },
  { share: 0.034, countries: ['NL'] },
]

/** As far as the report names shares of them. `other`: wherever servers are, outside of these. */
export type Country = 'US' | 'NL' | 'KR' | 'other'

/**
 * Where the many small providers are, weighted by contents: fitted, so that 55 % of the contents in one country alone are
 * in the US and 9 % in the Netherlands. (Of peers of all kinds 45 % were in the US and 10 % in Korea.)
 */
const smallProviders: readonly { readonly country: Country; readonly share: number }[] = [
  { country: 'US', share: 0.23 },
  { country: 'NL', share: 0.035 },
  { country: 'KR', share: 0.1 },
]

export interface Content {
  /** sha-256 multihash. */
  readonly multihash: Uint8Array
  /** Ranks of its providers; the first one is its home. */
  readonly providers: readonly number[]
  readonly bornAt: SimTime
  readonly goneAt: SimTime
}

export class Workload {
  readonly settings: WorkloadSettings
  readonly #seed: number
  /** Ascending sums of the sizes of the small providers. */
  readonly #sums: Float64Array

  constructor(seed: number, settings: Partial<WorkloadSettings> = {}) {
    this.settings = { ...workload2022, ...settings }
    this.#seed = hashOf(seed, WORKLOAD)
    const small = Math.max(1, this.settings.providers - largestProviders.length)
    this.#sums = new Float64Array(small)
    let sum = 0
    // Zipf’s law goes on where the ten largest end.
    for (let index = 0; index < small; index++) this.#sums[index] = sum += 1 / (largestProviders.length + 1 + index)
  }

  /** What there is at a time. */
  at(time: SimTime): Content[] {
    return Array.from({ length: this.settings.contents }, (_, place) => this.contentAt(place, time))
  }

  /** Lives are exponential, which is all that one share of a day says; so nobody can tell the age of a content. */
  contentAt(place: number, time: SimTime): Content {
    let bornAt = 0
    for (let generation = 0; ; generation++) {
      const lifeMs = -this.#meanLifeMs() * Math.log(1 - unitOf(this.#seed, LIFE, place, generation))
      if (time < bornAt + lifeMs) return this.#content(place, generation, bornAt, bornAt + lifeMs)
      bornAt += lifeMs
    }
  }

  countriesOf(provider: number): readonly Country[] {
    const large = largestProviders[provider]
    if (large !== undefined) return large.countries
    let left = unitOf(this.#seed, COUNTRY, provider)
    for (const { country, share } of smallProviders) {
      left -= share
      if (left < 0) return [country]
    }
    return ['other']
  }

  /** A zone of the world (`settings.ts`) in which the provider is. */
  zoneOf(provider: number): number {
    const draw = unitOf(this.#seed, ZONE, provider)
    switch (this.countriesOf(provider)[0]!) {
      case 'US':
        return zoneAt(northAmerica * draw)
      case 'NL':
        return 2
      case 'KR':
        return 3
      case 'other':
        return zoneAt(northAmerica + (1 - northAmerica) * draw)
    }
  }

  #meanLifeMs(): number {
    return DAY_MS / -Math.log(1 - this.settings.dailyChurn)
  }

  #content(place: number, generation: number, bornAt: SimTime, goneAt: SimTime): Content {
    const rng = new Rng(hashOf(this.#seed, CONTENT, place, generation))
    const multihash = Uint8Array.of(0x12, 0x20, ...rng.bytes(32))
    const providers = [this.#home(rng.unit())]
    const count = Math.min(this.#count(rng.unit()), this.#sums.length)
    while (providers.length < count) {
      // An assumption: whoever provides what others have, too, is none of the ten largest.
      const other = this.#small(rng.unit())
      if (!providers.includes(other)) providers.push(other)
    }
    return { multihash, providers, bornAt, goneAt }
  }

  #home(draw: number): number {
    let left = draw
    for (const [provider, { share }] of largestProviders.entries()) {
      left -= share
      if (left < 0) return provider
    }
    return this.#small(left / (1 - largestTogether))
  }

  /** `draw` in [0, 1). */
  #small(draw: number): number {
    const wanted = draw * this.#sums.at(-1)!
    let [from, to] = [0, this.#sums.length - 1]
    while (from < to) {
      const middle = (from + to) >> 1
      if (this.#sums[middle]! <= wanted) from = middle + 1
      else to = middle
    }
    return largestProviders.length + from
  }

  #count(draw: number): number {
    const { single, double, tailExponent } = this.settings
    if (draw < single) return 1
    if (draw < single + double) return 2
    const rest = (1 - draw) / (1 - single - double)
    return Math.floor(3 * Math.min(TAIL_MAX, rest ** (-1 / tailExponent)))
  }
}

const DAY_MS = 86_400_000
export const largestTogether = largestProviders.reduce((sum, { share }) => sum + share, 0)
/** The first two zones. */
const northAmerica = zones[0]!.share + zones[1]!.share
/** A content with a thousand providers is as popular as any here. */
const TAIL_MAX = 333

const WORKLOAD = 0x776f726b
const [LIFE, COUNTRY, ZONE, CONTENT] = [1, 2, 3, 4] as const
