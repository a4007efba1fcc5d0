import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor'
import { root, ToolError } from './shell.ts'

/**
 * `npm run api`: writes what each door of the package exports to `docs/api/`, from the declarations in `dist/`. With
 * `--check` nothing is written and a difference is an error: so a change of the public API is seen in review.
 */

const DOORS = ['index', 'helia', 'libp2p'] as const

/** The report of one door, as API Extractor makes it. */
function reportOf(door: string, folder: string): string {
  const config = ExtractorConfig.prepare({
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: join(root, 'dist', 'src', `${door}.d.ts`),
      apiReport: {
        enabled: true,
        reportFolder: folder,
        reportTempFolder: join(folder, 'temp'),
        reportFileName: `${door}.api.md`,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            target: 'ES2022',
            module: 'NodeNext',
            moduleResolution: 'NodeNext',
            lib: ['ES2023', 'ESNext.Disposable', 'DOM', 'DOM.Iterable'],
            types: [],
            skipLibCheck: true,
          },
          files: [join(root, 'dist', 'src', `${door}.d.ts`)],
        },
        skipLibCheck: true,
      },
      messages: {
        compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
        // Everything that a door exports is public, and examples hold braces.
        extractorMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
        tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
      },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, 'package.json'),
  })
  const problems: string[] = []
  const { succeeded } = Extractor.invoke(config, {
    localBuild: true,
    messageCallback: (message) => {
      message.handled = true
      if (message.logLevel === ExtractorLogLevel.Error) problems.push(message.text)
    },
  })
  if (!succeeded) throw new ToolError(`The API of ${door} could not be read: ${problems.join('; ')}`)
  return readFileSync(join(folder, `${door}.api.md`), 'utf8').replaceAll('\r\n', '\n')
}

function main(): void {
  const folder = join(root, '.cache', `api-${process.pid}`)
  const kept = join(root, 'docs', 'api')
  mkdirSync(folder, { recursive: true })
  mkdirSync(kept, { recursive: true })
  try {
    const changed = DOORS.filter((door) => {
      const report = reportOf(door, folder)
      const file = join(kept, `${door}.api.md`)
      if (readOptional(file) === report) return false
      if (!process.argv.includes('--check')) writeFileSync(file, report)
      return true
    })
    if (changed.length === 0) return
    const files = changed.map((door) => `docs/api/${door}.api.md`).join(', ')
    if (!process.argv.includes('--check')) console.log(`Written: ${files}.`)
    else
      throw new ToolError(
        `The public API differs from ${files}. If that is meant, run \`npm run api\` and commit what it writes.`,
      )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function readOptional(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

try {
  main()
} catch (error) {
  console.error(error instanceof ToolError ? error.message : error)
  process.exitCode = 1
}
