import { defineConfig } from '@playwright/test'
import config from './playwright.config.ts'

/** Against real Kubo (`npm run test:interop`): the same browser, another network. */
export default defineConfig(config, {
  testMatch: 'interop/*.interop.ts',
  globalSetup: './test-browser/interop/global-setup.ts',
  timeout: 90_000,
})
