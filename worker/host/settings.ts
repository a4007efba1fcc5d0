import type { DelegatedOptionsData, DiscoverySettings, ProvidingSettings, StartOptions } from '../contract/service.ts'
import { limits } from '../engine/limits.ts'
import { ServiceError } from './service-error.ts'

/** The options with every choice made. */
export interface Settings extends StartOptions {
  readonly discovery: DiscoverySettings
  readonly delegated: DelegatedOptionsData
  readonly providing: ProvidingSettings
}

/** What the page does not check and fill in itself, to stay small. Throws `invalid-argument`. */
export function settingsOf(options: StartOptions): Settings {
  return {
    ...options,
    discovery: discoverySettings(options.discovery),
    delegated: delegatedOptions(options.delegated),
    providing: providingSettings(options.providing),
  }
}

function providingSettings({ intervalMs = 22 * hourMs, withoutAddress = false }: StartOptions['providing']): ProvidingSettings {
  require(intervalMs >= hourMs && intervalMs <= 36 * hourMs, 'providing.intervalMs must be milliseconds from 1 to 36 hours.')
  return { intervalMs, withoutAddress: withoutAddress === true }
}

const hourMs = 3_600_000

function discoverySettings(given: StartOptions['discovery']): DiscoverySettings {
  const { broadcast = 'steps', coldStart = 'steps', leaders = { type: 'dynamic' } } = given
  const { peersPerSecond = 1.7, searchDelay = 0, guesses = 'dynamic', listenToWants = true } = given
  const { rankingWindowMs = limits.rankingWindowMs.value, latencyWindowMs = limits.latencyWindowMs.value } = given
  require(['steps', 'ranked', 'flood'].includes(broadcast), "discovery.broadcast must be 'steps', 'ranked' or 'flood'.")
  require(['steps', 'flood', 'dht'].includes(coldStart), "discovery.coldStart must be 'steps', 'flood' or 'dht'.")
  require(peersPerSecond > 0 && peersPerSecond <= 10_000, 'discovery.peersPerSecond must be from above 0 to 10,000.')
  require(isDelay(searchDelay), "discovery.searchDelay must be milliseconds from 0 to 5000, or 'p50', 'p75' or 'p90'.")
  require(areGuesses(guesses), "discovery.guesses must be an integer from 0 to 4, or 'dynamic'.")
  require(areLeaders(leaders), `discovery.leaders must be ${leadersInWords}.`)
  const windows = { rankingWindowMs, latencyWindowMs }
  for (const [name, value] of Object.entries(windows))
    require(value >= hourMs / 6 && value <= 24 * hourMs, `discovery.${name} must be milliseconds from 10 minutes to 24 hours.`)
  return { broadcast, coldStart, leaders: { ...leaders }, peersPerSecond, searchDelay, guesses, listenToWants, ...windows }
}

const leadersInWords = '{ type: dynamic }, { type: top, peers }, { type: threshold, blocks } or { type: coverage, share }'

function isDelay(value: DiscoverySettings['searchDelay']): boolean {
  return typeof value === 'number' ? value >= 0 && value <= 5_000 : ['p50', 'p75', 'p90'].includes(value)
}

function delegatedOptions(given: StartOptions['delegated'] | null): DelegatedOptionsData {
  const { mode, routers = publicRouters } = given === undefined ? { mode: 'off' as const } : (given ?? { mode: null })
  require(mode === 'off' || mode === 'fallback' || mode === 'race', "delegatedRouting.mode must be 'off', 'fallback' or 'race'.")
  require(Array.isArray(routers), 'delegatedRouting.routers must be an array.')
  const urls = routers.map((url) => {
    require(/^https?:\/\/[^?#]+$/.test(url), `delegatedRouting.routers must hold URLs; '${url}' is none.`)
    return url.replace(/(\/routing\/v1)?\/*$/, '')
  })
  const max = limits.delegatedRoutersMax.value
  require(urls.length <= max, `delegatedRouting.routers may hold ${max} URLs at most.`)
  return mode === 'off' || urls.length === 0 ? { mode: 'off', routers: [] } : { mode, routers: urls }
}

/** Run for the public by the IPFS Foundation. */
const publicRouters: readonly string[] = ['https://delegated-ipfs.dev']

function areGuesses(value: DiscoverySettings['guesses']): boolean {
  return value === 'dynamic' || (Number.isInteger(value) && value >= 0 && value <= 4)
}

function areLeaders(value: DiscoverySettings['leaders'] | null): boolean {
  switch (value?.type) {
    case 'dynamic':
      return true
    case 'top':
      return Number.isInteger(value.peers) && value.peers >= 1
    case 'threshold':
      return Number.isInteger(value.blocks) && value.blocks >= 1
    case 'coverage':
      return value.share > 0 && value.share <= 1
    default:
      return false
  }
}

function require(holds: boolean, message: string): asserts holds {
  if (!holds) throw new ServiceError('invalid-argument', message)
}
