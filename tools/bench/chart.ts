// In pixels.
const ROW = 24;
const LABELS = 330; // the width of the column of names
const WIDTH = 790;

/** What one row shows: a ratio, and the lowest and the highest that were measured. */
export interface Bar {
  label: string;
  ratio: number;
  low: number;
  high: number;
}

/** @returns an SVG with a bar for each ratio, and a line from the lowest to the highest. It follows the reader's light or dark theme. */
export function chart(title: string, bars: Bar[]): string {
  const most = Math.max(...bars.map(({ high }) => high));
  const x = (ratio: number) => Math.round(LABELS + (ratio / most) * (WIDTH - LABELS - 60));
  const rows = bars.map(({ label, ratio, low, high }, index) => {
    const y = ROW * (index + 2);
    return `<text x="${LABELS - 10}" y="${y}" text-anchor="end">${label}</text>
<rect x="${LABELS}" y="${y - 13}" width="${x(ratio) - LABELS}" height="${ROW - 6}"/>
<path d="M${x(low)} ${y - 4}H${x(high)}"/>
<text x="${x(Math.max(ratio, high)) + 8}" y="${y}">${ratio.toFixed(2)}</text>`;
  });
  const height = ROW * (bars.length + 2);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>${title}</title>
<style>
svg { background: #fff; fill: #1f2328; font: 14px system-ui, sans-serif }
rect { fill: #54aeff }
path { stroke: #1f2328; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117; fill: #f0f6fc }
  rect { fill: #1f6feb }
  path { stroke: #f0f6fc }
}
</style>
<text x="${LABELS}" y="${ROW - 6}">${title}</text>
${rows.join('\n')}
</svg>
`;
}
