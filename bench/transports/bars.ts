/** Groups of bars as SVG text: the simulator's plots have numbers on their x axis, these have names. */

export interface Bars {
  readonly title: string
  readonly unit: string
  readonly groups: readonly string[]
  /** One value a group. */
  readonly series: readonly { readonly label: string; readonly values: readonly number[] }[]
}

const [WIDTH, LINE, LEFT, RIGHT, TOP] = [720, 20, 130, 90, 64]
/** Okabe and Ito's, as in the other plots. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73']

export function barsOf({ title, unit, groups, series }: Bars): string {
  const largest = Math.max(...series.flatMap(({ values }) => values))
  const height = TOP + groups.length * (series.length * LINE + 16)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="16" y="20" font-size="15" font-weight="600">${title}, ${unit}</text>`,
    ...series.map(({ label }, index) => {
      const x = 16 + 140 * index
      return `<rect x="${x}" y="34" width="10" height="10" fill="${COLOURS[index]}"/><text x="${x + 16}" y="43">${label}</text>`
    }),
  ]
  for (const [group, name] of groups.entries()) {
    const top = TOP + group * (series.length * LINE + 16)
    parts.push(`<text x="${LEFT - 8}" y="${top + (series.length * LINE) / 2 + 4}" text-anchor="end">${name}</text>`)
    for (const [index, { values }] of series.entries()) {
      const value = values[group] ?? Number.NaN
      const width = Math.round(((WIDTH - LEFT - RIGHT) * value) / largest)
      const y = top + index * LINE
      parts.push(
        `<rect x="${LEFT}" y="${y}" width="${width}" height="${LINE - 4}" fill="${COLOURS[index]}"/>`,
        `<text x="${LEFT + width + 6}" y="${y + 12}">${value < 10 ? value.toFixed(1) : Math.round(value)}</text>`,
      )
    }
  }
  return `${[...parts, '</svg>'].join('\n')}\n`
}
