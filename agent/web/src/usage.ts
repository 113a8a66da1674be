// Usage of a process over time, from its records.
import { endOf, FlowRecord, number, processId, sentBy, Side, startOf } from './record';
import { ProcessId } from './record';

/** One point for each time that has records; null: no record has the figure. */
export interface Usage {
  times: number[];
  cpu: (number | null)[];
  memory: (number | null)[];
  iowait: (number | null)[];
  sent: (number | null)[];
  received: (number | null)[];
}

/** The most points of a line. */
const MAX_POINTS = 150;

interface Point {
  sums: { [figure in 'cpu' | 'memory' | 'iowait']: { sum: number; n: number } };
  sent: number;
  received: number;
}

/** The side at which the process is; both are possible, then the source. */
export function sideOf(r: FlowRecord, id: ProcessId): Side | undefined {
  return (['SRC', 'DST'] as const).find((side) => {
    const at = processId(r, side);
    return at?.pid === id.pid && (at.start === id.start || id.start === 0);
  });
}

const empty = (): Point => ({ sums: { cpu: { sum: 0, n: 0 }, memory: { sum: 0, n: 0 }, iowait: { sum: 0, n: 0 } }, sent: 0, received: 0 });

function addRecord(point: Point, r: FlowRecord, side: Side): void {
  const figures = {
    cpu: number(r, `${side}_PROC_AVERAGE_CPU_LOAD`), iowait: number(r, `${side}_PROC_PCTG_IOWAIT`),
    memory: number(r, `${side}_PROC_ACTUAL_MEMORY_64`) ?? number(r, `${side}_PROC_ACTUAL_MEMORY`),
  };
  for (const [name, value] of Object.entries(figures)) {
    if (value === undefined) continue;
    const sum = point.sums[name as keyof Point['sums']];
    sum.sum += name === 'memory' ? value : value / 100;
    sum.n += 1;
  }
  point.sent += sentBy(r, side);
  point.received += sentBy(r, side === 'SRC' ? 'DST' : 'SRC');
}

/** The usage in its records, averaged over equal steps of time. */
export function usage(records: readonly FlowRecord[], id: ProcessId): Usage {
  const own = records.flatMap((r) => {
    const side = sideOf(r, id);
    return side ? [{ r, side }] : [];
  });
  const first = Math.min(...own.map(({ r }) => startOf(r)));
  const last = Math.max(...own.map(({ r }) => endOf(r)));
  const step = Math.max(1000, Math.ceil((last - first) / MAX_POINTS / 1000) * 1000);
  const points = new Map<number, Point>();
  for (const { r, side } of own) {
    const at = Math.floor(endOf(r) / step) * step;
    const point = points.get(at) ?? empty();
    addRecord(point, r, side);
    points.set(at, point);
  }
  const times = [...points.keys()].sort((a, b) => a - b);
  const mean = (figure: keyof Point['sums']) => (at: number): number | null => {
    const { sum, n } = points.get(at)!.sums[figure];
    return n === 0 ? null : sum / n;
  };
  const perSecond = (figure: 'sent' | 'received') => (at: number): number => (points.get(at)![figure] * 1000) / step;
  return {
    times: times.map((ms) => ms / 1000), cpu: times.map(mean('cpu')), memory: times.map(mean('memory')), iowait: times.map(mean('iowait')),
    sent: times.map(perSecond('sent')), received: times.map(perSecond('received')),
  };
}
