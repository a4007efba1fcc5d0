import { runTool } from './shell.ts'

/** `npm run format`: writes all sources in the house's form. */

const { code, output } = await runTool('@biomejs/biome', 'biome', ['format', '--write', '.'])
console.log(output.trim())
process.exitCode = code
