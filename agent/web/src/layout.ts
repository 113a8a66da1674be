// Places for the nodes of a graph: clients on the left, what they talk to further right, so that names can be read.

export interface Edge {
  source: string;
  target: string;
}

export type Point = { x: number; y: number };

const COLUMN_WIDTH = 190;
const ROW_HEIGHT = 44;
/** The most nodes in one column; more begin another one beside it. */
const MAX_ROWS = 12;
const SWEEPS = 6;

/** The column of each node: the longest way to it, where edges that close a circle do not count. */
function columns(ids: readonly string[], edges: readonly Edge[]): Map<string, number> {
  const targets = new Map<string, string[]>(ids.map((id) => [id, []]));
  edges.forEach((e) => e.source !== e.target && targets.get(e.source)?.push(e.target));
  const column = new Map<string, number>();
  const isOpen = new Set<string>();
  const order: string[] = [];
  const visit = (id: string): void => {
    if (column.has(id)) return;
    column.set(id, 0);
    isOpen.add(id);
    for (const next of targets.get(id) ?? []) if (!isOpen.has(next)) visit(next);
    isOpen.delete(id);
    order.push(id);
  };
  const incoming = new Set(edges.filter((e) => e.source !== e.target).map((e) => e.target));
  [...ids.filter((id) => !incoming.has(id)), ...ids].forEach(visit);
  const position = new Map(order.toReversed().map((id, i) => [id, i]));
  for (const id of order.toReversed()) {
    for (const next of targets.get(id) ?? []) {
      if (position.get(next)! > position.get(id)!) column.set(next, Math.max(column.get(next)!, column.get(id)! + 1));
    }
  }
  return column;
}

/** Columns of node ids, ordered so that few edges cross: each node near the middle of its neighbours. */
function ordered(ids: readonly string[], edges: readonly Edge[]): string[][] {
  const column = columns(ids, edges);
  const rows: string[][] = [];
  ids.forEach((id) => (rows[column.get(id)!] ??= []).push(id));
  const filled = rows.filter((row) => row !== undefined);
  const neighbours = new Map<string, string[]>(ids.map((id) => [id, []]));
  edges.forEach((e) => {
    neighbours.get(e.source)?.push(e.target);
    neighbours.get(e.target)?.push(e.source);
  });
  const at = new Map<string, number>();
  const place = (row: string[]): void => row.forEach((id, i) => at.set(id, (i + 0.5) / row.length));
  filled.forEach(place);
  const middle = (id: string): number => {
    const all = neighbours.get(id)!;
    return all.length === 0 ? 1 : all.reduce((sum, n) => sum + at.get(n)!, 0) / all.length;
  };
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const row of sweep % 2 === 0 ? filled : filled.toReversed()) {
      const middles = new Map(row.map((id) => [id, middle(id)]));
      row.sort((a, b) => middles.get(a)! - middles.get(b)!);
      place(row);
    }
  }
  return filled;
}

/** The place of each node. */
export function layout(ids: readonly string[], edges: readonly Edge[]): Map<string, Point> {
  const parts = ordered(ids, edges).flatMap((row) => {
    const n = Math.ceil(row.length / MAX_ROWS);
    const size = Math.ceil(row.length / n);
    return Array.from({ length: n }, (_, i) => row.slice(i * size, (i + 1) * size));
  });
  const height = Math.max(1, ...parts.map((p) => p.length)) * ROW_HEIGHT;
  const points = new Map<string, Point>();
  parts.forEach((part, x) => {
    // Columns that are less full are spread; every second one is half a row lower, so that labels do not touch.
    const step = height / part.length;
    part.forEach((id, y) => points.set(id, { x: x * COLUMN_WIDTH, y: (y + 0.5) * step + (x % 2) * 9 }));
  });
  return points;
}
