import { formatCell, type Result, type Table } from '../experiments/experiment.ts'

/** A result on the console, and as a page of `docs/results`. */

export function consoleText(result: Result): string {
  const tables = result.tables.map((table) => `${table.title}\n${alignedTable(table)}`)
  return [...tables, ...result.notes.map((note) => `· ${note}`)].join('\n\n')
}

function alignedTable({ columns, rows }: Table): string {
  const lines = [columns, ...rows.map((row) => row.map(formatCell))]
  const widths = columns.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function markdownPage(title: string, command: string, result: Result): string {
  const settings = Object.entries(result.settings).map(([name, value]) => `- ${name}: \`${JSON.stringify(value)}\``)
  const plots = result.plots.map(({ name, title: caption }) => `![${caption}](${result.experiment}-${name}.svg)`)
  const tables = result.tables.map((table) => `## ${table.title}\n\n${markdownTable(table)}`)
  const sections = [
    `# ${result.experiment}: ${title}`,
    `Written by \`${command}\`; the same seed gives the same page.`,
    result.notes.map((note) => `- ${note}`).join('\n'),
    ...tables,
    ...plots,
    `## Settings\n\n${settings.join('\n')}`,
  ]
  return `${sections.join('\n\n')}\n`
}

function markdownTable({ columns, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(columns), line(columns.map(() => '---')), ...rows.map((row) => line(row.map(formatCell)))].join('\n')
}
