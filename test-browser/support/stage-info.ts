import type { Sample, SwarmPeer } from '../../demo/swarm/swarm.ts'

/** What the specs know about the swarm and the server that the global set-up has started. */
export interface StageInfo {
  /** Ends with a slash. */
  readonly url: string
  readonly bootstrap: readonly string[]
  readonly relays: readonly string[]
  readonly samples: readonly Sample[]
  readonly peers: readonly SwarmPeer[]
}

export const stageVariable = 'AMINO_STAGE'

export function stageInfo(): StageInfo {
  const text = process.env[stageVariable]
  if (text === undefined) throw new Error('The global set-up has not run: start the specs with "npx playwright test".')
  return JSON.parse(text) as StageInfo
}

/** The smallest and the largest single block, and the picture. */
export function sampleNamed(stage: StageInfo, name: string): Sample {
  const sample = stage.samples.find((candidate) => candidate.name === name)
  if (sample === undefined) throw new Error(`The swarm has no sample with the name "${name}".`)
  return sample
}
