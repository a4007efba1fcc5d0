import { installRtc } from './install.ts'

/** The shim, on this Worker's globals. */
export const useRtcLink = installRtc(globalThis)
