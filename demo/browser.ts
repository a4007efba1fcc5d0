import { existsSync } from 'node:fs'

/** How a Chromium is started for the check and the browser tests. */

const systemChromium = '/usr/bin/chromium'

/** `CHROMIUM_PATH`, else the system's, else (undefined) the one that Playwright has installed. */
export function chromiumPath(): string | undefined {
  const given = process.env['CHROMIUM_PATH']
  if (given !== undefined && given !== '') return given
  return existsSync(systemChromium) ? systemChromium : undefined
}

/** Containers have no sandbox; background requests of the browser itself would only disturb the figures. */
export const chromiumArgs = ['--no-sandbox', '--disable-background-networking']
