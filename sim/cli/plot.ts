import type { Axis, Plot, Series } from '../experiments/experiment.ts'

/**
 * A line chart with 95 % intervals as SVG text. Small on purpose: lines, bars, ticks and a legend are all that the results
 * need, and a plotting library would bring a DOM for the server with it.
 */
export function svgOf(plot: Plot): string {
  const points = plot.series.flatMap((series) => series.points).filter(({ y }) => Number.isFinite(y))
  const x = scaleOf(
    plot.x,
    points.map((point) => point.x),
    LEFT,
    WIDTH - RIGHT,
  )
  const heights = points.flatMap(({ y, half = 0 }) => (Number.isFinite(half) ? [y - half, y + half] : [y]))
  const y = scaleOf(plot.y, plot.y.scale === 'log' ? heights.filter((value) => value > 0) : [0, ...heights], HEIGHT - BOTTOM, TOP)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="20" font-size="15" font-weight="600">${escape(plot.title)}</text>`,
    ...x.ticks.map((tick) => tickX(x.at(tick), tick)),
    ...y.ticks.map((tick) => tickY(y.at(tick), tick)),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${escape(plot.x.label)}</text>`,
    `<text transform="translate(16 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escape(plot.y.label)}</text>`,
    ...plot.series.flatMap((series, index) => drawSeries(series, index, x, y)),
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [720, 420, 64, 140, 36, 52]

/** Okabe and Ito's colours, which the colour-blind can tell apart. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9']

interface Scale {
  readonly at: (value: number) => number
  readonly ticks: readonly number[]
}

function scaleOf({ scale }: Axis, values: readonly number[], from: number, to: number): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  if (scale === 'log') {
    const [first, last] = [Math.log10(low), Math.log10(high === low ? 10 * low : high)]
    const at = (value: number) => from + ((Math.log10(Math.max(value, low)) - first) / (last - first)) * (to - from)
    const decades = Array.from({ length: 12 }, (_, index) => 10 ** (Math.floor(first) + index)).flatMap((one) => [
      one,
      2 * one,
      5 * one,
    ])
    return { at, ticks: decades.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001) }
  }
  const span = high === low ? 1 : high - low
  const step = [1, 2, 5, 10].map((factor) => factor * 10 ** Math.floor(Math.log10(span / 5))).find((one) => span / one <= 7)!
  const start = Math.floor(low / step) * step
  const end = Math.ceil((low + span) / step) * step
  const ticks = Array.from({ length: Math.round((end - start) / step) + 1 }, (_, index) => start + index * step)
  return { at: (value) => from + ((value - start) / (end - start)) * (to - from), ticks }
}

function tickX(x: number, value: number): string {
  return `<line x1="${r(x)}" x2="${r(x)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" stroke="#eee"/><text x="${r(x)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${label(value)}</text>`
}

function tickY(y: number, value: number): string {
  return `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${r(y)}" y2="${r(y)}" stroke="#eee"/><text x="${LEFT - 8}" y="${r(y + 4)}" text-anchor="end">${label(value)}</text>`
}

function drawSeries({ label: name, points }: Series, index: number, x: Scale, y: Scale): string[] {
  const colour = COLOURS[index % COLOURS.length]!
  const known = points.filter((point) => Number.isFinite(point.y))
  const path = known.map((point) => `${r(x.at(point.x))},${r(y.at(point.y))}`).join(' ')
  const bars = known.flatMap(({ x: at, y: middle, half }) => {
    if (half === undefined || !Number.isFinite(half)) return []
    return `<line x1="${r(x.at(at))}" x2="${r(x.at(at))}" y1="${r(y.at(middle - half))}" y2="${r(y.at(middle + half))}" stroke="${colour}" stroke-width="1.5"/>`
  })
  const dots = known.map((point) => `<circle cx="${r(x.at(point.x))}" cy="${r(y.at(point.y))}" r="3" fill="${colour}"/>`)
  const top = TOP + 12 + 20 * index
  const legend = `<circle cx="${WIDTH - RIGHT + 16}" cy="${top - 4}" r="4" fill="${colour}"/><text x="${WIDTH - RIGHT + 26}" y="${top}">${escape(name)}</text>`
  return [`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`, ...bars, ...dots, legend]
}

/** Tenths of a pixel. */
function r(value: number): string {
  return String(Math.round(10 * value) / 10)
}

function label(value: number): string {
  const rounded = Number(value.toPrecision(6))
  return Math.abs(rounded) >= 10_000 ? `${rounded / 1_000}k` : String(rounded)
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
