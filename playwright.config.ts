import { defineConfig } from '@playwright/test'
import { chromiumArgs, chromiumPath } from './demo/browser.ts'

const executablePath = chromiumPath()

/** One swarm and one server for all specs; one spec file at a time, because two cores also carry the swarm. */
export default defineConfig({
  testDir: 'test-browser',
  testMatch: '*.spec.ts',
  globalSetup: './test-browser/support/global-setup.ts',
  outputDir: 'test-results',
  workers: 1,
  retries: 0,
  forbidOnly: process.env['CI'] !== undefined,
  timeout: 40_000,
  expect: { timeout: 15_000 },
  reporter: [['list']],
  use: {
    launchOptions: { ...(executablePath === undefined ? {} : { executablePath }), args: chromiumArgs },
    trace: 'off',
  },
})
