import { BytesMap } from '../../worker/engine/bytes-map.ts'
import { type Estimate, estimate } from '../core/statistics.ts'
import { type Content, type Country, largestProviders, largestTogether, Workload } from '../world/workload.ts'
import type { Cell, Experiment } from './experiment.ts'

/** B9: the content that experiments put into the DHT, beside what the database of the Hydras held. */
export const workload: Experiment = {
  name: 'workload',
  title: 'the generator of content beside the database of the Hydras: providers, skew, churn, countries',
  defaults: { seed: 1, seeds: 2, peers: 2_000 },
  reportOptions: { seed: 1, seeds: 5, peers: 2_000 },
  run(options, progress) {
    const worlds = Array.from({ length: options.seeds }, (_, index) => {
      progress(`seed ${options.seed + index}`)
      return measure(new Workload(options.seed + index, { providers: options.peers }))
    })
    const percent = (value: (world: Measured) => number): Estimate => estimate(worlds.map((world) => 100 * value(world)))
    const rows: Cell[][] = [
      ['contents with one provider', '85 (graph), 80 (summary)', percent(({ providers }) => providers.one)],
      ['with two', '10', percent(({ providers }) => providers.two)],
      ['with more', '–', percent(({ providers }) => providers.more)],
      ['contents replaced after 24 h', '50', percent(({ replaced }) => replaced.day)],
      ['after 48 h', '–', percent(({ replaced }) => replaced.twoDays)],
      ['contents in one country', '75', percent(({ countries }) => countries.one)],
      ['in two', '21', percent(({ countries }) => countries.two)],
      ['in more', '4', percent(({ countries }) => countries.more)],
      ['of those in one country, in the US', '55', percent(({ alone }) => alone.US)],
      ['in the Netherlands', '9', percent(({ alone }) => alone.NL)],
    ]
    const largest = largestProviders.map(({ share, countries }, rank): Cell[] => {
      return [rank + 1, countries.join(', '), (100 * share).toFixed(1), percent(({ largest: shares }) => shares[rank]!)]
    })
    const together = percent(({ largest: shares }) => shares.reduce((sum, share) => sum + share, 0))
    return {
      experiment: 'workload',
      settings: {
        ...new Workload(options.seed, { providers: options.peers }).settings,
        seed: options.seed,
        seeds: options.seeds,
      },
      notes: [
        'Counted over all contents of a moment. Report: seed 001, database of November 2022. Experiments that need content take it from here.',
        'Put in as parameters: shares by number of providers, shares of the ten largest providers and their countries, 50 % a day. Fitted: the countries of the small providers, to 55 % and 9 %. Come out by themselves: contents in one, two and more countries, and what is left after two days.',
        'Assumptions: how many providers the rest of the contents have, how many small providers there are, that lives are exponential, that a second provider of a content is a small one.',
      ],
      tables: [
        { title: 'Shares in %', columns: ['what', 'report', 'generator'], rows },
        {
          title: 'The ten largest providers, % of contents',
          columns: ['rank', 'countries', 'report', 'generator'],
          rows: [...largest, ['together', '', (100 * largestTogether).toFixed(1), together]],
        },
      ],
      plots: [],
    }
  },
}

interface Measured {
  readonly providers: Readonly<Record<'one' | 'two' | 'more', number>>
  readonly countries: Readonly<Record<'one' | 'two' | 'more', number>>
  readonly alone: Readonly<Record<Country, number>>
  readonly replaced: { readonly day: number; readonly twoDays: number }
  readonly largest: readonly number[]
}

const DAY_MS = 86_400_000

/** At noon of the second day: nothing is special about a moment. */
const MOMENT_MS = 1.5 * DAY_MS

function measure(generator: Workload): Measured {
  const contents = generator.at(MOMENT_MS)
  const inCountries = contents.map(({ providers }) => new Set(providers.flatMap((one) => generator.countriesOf(one))))
  const alone = inCountries.filter(({ size }) => size === 1)
  const aloneIn = (country: Country) => share(alone, (countries) => countries.has(country))
  return {
    providers: byNumber(contents, ({ providers }) => providers.length),
    countries: byNumber(inCountries, ({ size }) => size),
    alone: { US: aloneIn('US'), NL: aloneIn('NL'), KR: aloneIn('KR'), other: aloneIn('other') },
    replaced: {
      day: replaced(contents, generator.at(MOMENT_MS + DAY_MS)),
      twoDays: replaced(contents, generator.at(MOMENT_MS + 2 * DAY_MS)),
    },
    largest: largestProviders.map((_, rank) => share(contents, ({ providers }) => providers.includes(rank))),
  }
}

function byNumber<T>(items: readonly T[], numberOf: (item: T) => number): Record<'one' | 'two' | 'more', number> {
  return {
    one: share(items, (item) => numberOf(item) === 1),
    two: share(items, (item) => numberOf(item) === 2),
    more: share(items, (item) => numberOf(item) > 2),
  }
}

/** As the report counts: overlap of two dumps of the database. */
function replaced(before: readonly Content[], after: readonly Content[]): number {
  const there = new BytesMap<true>()
  for (const { multihash } of after) there.set(multihash, true)
  return share(before, ({ multihash }) => !there.has(multihash))
}

function share<T>(items: readonly T[], matches: (item: T) => boolean): number {
  return items.filter(matches).length / items.length
}
