/** The swarm that `npm run example` has started, and a place to write to. */

export interface Swarm {
  readonly bootstrap: readonly string[]
  readonly samples: readonly { readonly name: string; readonly cid: string; readonly bytes: number }[]
}

/** What an example does differently here than on Amino. */
export async function localSwarm() {
  const response = await fetch('/swarm.json')
  const { bootstrap, samples } = (await response.json()) as Swarm
  return {
    options: { bootstrap, allowPrivateAddresses: true, storage: false } as const,
    cidOf(name: string): string {
      const sample = samples.find((candidate) => candidate.name === name)
      if (sample === undefined) throw new Error(`The swarm has nothing with the name ${name}.`)
      return sample.cid
    },
  }
}

/** A line on the page. */
export function say(text: string): void {
  document.body.append(Object.assign(document.createElement('p'), { textContent: text }))
}

/** Runs an example, and shows how it ended. */
export async function run(example: () => Promise<void>): Promise<void> {
  try {
    await example()
    say('Done.')
  } catch (error) {
    say(`Failed: ${String(error)}`)
    throw error
  }
}
