// Lines over time.
import { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useTheme } from './theme';

export interface Line {
  label: string;
  /** A custom property of the style sheet. */
  colour: string;
  values: (number | null)[];
}

interface Props {
  label: string;
  /** Seconds since 1970, ascending. */
  times: number[];
  lines: Line[];
  format: (value: number) => string;
  height?: number;
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options({ lines, format, height = 120 }: Props, width: number): uPlot.Options {
  const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif' };
  const series = lines.map((line) => ({
    label: line.label, stroke: colour(line.colour), width: 1.5, fill: `${colour(line.colour)}22`, points: { size: 4 }, spanGaps: false,
    value: (_: uPlot, value: number | null) => (value === null ? '–' : format(value)),
  }));
  return {
    width, height, series: [{ value: '{HH}:{mm}:{ss}' }, ...series], legend: { show: lines.length > 1, live: false }, cursor: { y: false },
    scales: { y: { range: (_, __, max) => [0, Math.max(max * 1.1, 1e-9)] } },
    axes: [{ ...axis, size: 24, values: '{HH}:{mm}:{ss}', space: 70 }, { ...axis, size: 62, values: (_, ticks) => ticks.map(format), space: 28 }],
  };
}

export function Chart(props: Props): JSX.Element {
  const { label, times, lines, format, height = 120 } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const theme = useTheme();
  const data = [times, ...lines.map((line) => line.values)] as uPlot.AlignedData;
  useEffect(() => {
    const drawn = new uPlot(options(props, box.current!.clientWidth), data, box.current!);
    plot.current = drawn;
    const resized = new ResizeObserver(([entry]) => drawn.setSize({ width: entry!.contentRect.width, height }));
    resized.observe(box.current!);
    return () => {
      resized.disconnect();
      drawn.destroy();
    };
  }, [theme, lines.length, height]);
  useEffect(() => plot.current?.setData(data), [times.length, times[0], times.at(-1)]);
  const latest = lines.map((line) => `${line.label} ${format(line.values.findLast((v) => v !== null) ?? 0)}`).join(', ');
  return (
    <figure class="chart">
      <figcaption>{label}</figcaption>
      {times.length < 2 && <p class="muted">Not enough readings yet.</p>}
      <div ref={box} role="img" aria-label={`${label} over time; latest: ${latest}`} hidden={times.length < 2} />
    </figure>
  );
}

/** A line without axes. */
export function Sparkline({ values, label }: { values: number[]; label: string }): JSX.Element | null {
  if (values.length < 2) return null;
  const most = Math.max(...values, 1e-9);
  const points = values.map((v, i) => `${((i * 100) / (values.length - 1)).toFixed(1)},${(23 - (v / most) * 21).toFixed(1)}`).join(' ');
  return (
    <svg class="sparkline" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label={label}>
      <polyline points={points} />
    </svg>
  );
}
