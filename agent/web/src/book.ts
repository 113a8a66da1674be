// The flows that the page knows: records of one flow together, the oldest flows forgotten first.
import { bytesOf, endOf, failure, FlowRecord, goesOn, packetsOf, sentBy, Side, startOf, tuple } from './record';

/** The most flows that are kept. */
export const MAX_FLOWS = 5000;
/** Seconds over which the rate of a short flow is shown. */
const RATE_WINDOW_S = 10;
/** How much later than expected the next record of a flow may come, seconds. */
const DELAY_S = 3;

/** One flow: its latest record, and sums over all of its records. */
export interface Flow {
  id: string;
  record: FlowRecord;
  start: number;
  end: number;
  bytes: number;
  sent: { [side in Side]: number };
  packets: number;
  isActive: boolean;
  failure: string | undefined;
  /** Bytes per second, which apply until a time. */
  rates: { until: number; perSecond: number }[];
}

/** Bytes per second at a time in milliseconds. */
export function rateAt(flow: Flow, now: number): number {
  return flow.rates.reduce((sum, part) => sum + (part.until > now ? part.perSecond : 0), 0);
}

function addRate(flow: Flow, r: FlowRecord): void {
  const [lasted, end, isActive] = [(endOf(r) - startOf(r)) / 1000, endOf(r), goesOn(r)];
  // The next record of a flow that goes on comes after about the same time, and replaces this one.
  if (isActive) flow.rates = [];
  const applies = isActive ? Math.max(RATE_WINDOW_S, lasted + DELAY_S) : RATE_WINDOW_S;
  flow.rates = flow.rates.filter((part) => part.until > end);
  flow.rates.push({ until: end + (applies + DELAY_S) * 1000, perSecond: bytesOf(r) / Math.max(lasted, isActive ? 1 : RATE_WINDOW_S) });
}

export class Book {
  private flows = new Map<string, Flow>();
  /** The latest flow of each tuple, which further records belong to while it goes on. */
  private latest = new Map<string, Flow>();

  get size(): number {
    return this.flows.size;
  }

  clear(): void {
    this.flows.clear();
    this.latest.clear();
  }

  /** The flows, in the order in which they became known. */
  all(): Flow[] {
    return [...this.flows.values()];
  }

  get(id: string): Flow | undefined {
    return this.flows.get(id);
  }

  /** Adds records, the oldest first. */
  add(records: readonly FlowRecord[]): void {
    for (const r of records) this.addRecord(r);
    this.forget();
  }

  /** Adds records that are older than all that are known, the newest first. */
  addOlder(records: readonly FlowRecord[]): void {
    const newer = this.all();
    this.clear();
    for (const r of records.toReversed()) this.addRecord(r);
    newer.forEach((flow) => this.continue(flow));
    this.forget();
  }

  /** A flow that was begun without the records before it. */
  private continue(flow: Flow): void {
    const key = tuple(flow.record);
    const before = this.latest.get(key);
    if (before?.isActive) {
      const sent = { SRC: before.sent.SRC + flow.sent.SRC, DST: before.sent.DST + flow.sent.DST };
      const sums = { bytes: before.bytes + flow.bytes, packets: before.packets + flow.packets, sent };
      Object.assign(before, { ...flow, ...sums, id: before.id, start: before.start });
      return;
    }
    this.flows.set(flow.id, flow);
    this.latest.set(key, flow);
  }

  private addRecord(r: FlowRecord): void {
    const key = tuple(r);
    const known = this.latest.get(key);
    const flow = known?.isActive ? known : this.begin(key, r);
    flow.record = r;
    flow.end = Math.max(flow.end, endOf(r));
    flow.bytes += bytesOf(r);
    flow.packets += packetsOf(r);
    flow.sent.SRC += sentBy(r, 'SRC');
    flow.sent.DST += sentBy(r, 'DST');
    flow.isActive = goesOn(r);
    flow.failure = failure(r) ?? flow.failure;
    addRate(flow, r);
  }

  private begin(key: string, r: FlowRecord): Flow {
    const id = `${key} ${startOf(r)}`;
    const flow: Flow = {
      id, record: r, start: startOf(r), end: 0, bytes: 0, sent: { SRC: 0, DST: 0 }, packets: 0, isActive: true, failure: undefined, rates: [],
    };
    this.flows.set(id, flow);
    this.latest.set(key, flow);
    return flow;
  }

  private forget(): void {
    const excess = this.flows.size - MAX_FLOWS;
    if (excess <= 0) return;
    const byEnd = this.all().sort((a, b) => a.end - b.end);
    for (const flow of byEnd.slice(0, excess)) {
      this.flows.delete(flow.id);
      const key = tuple(flow.record);
      if (this.latest.get(key) === flow) this.latest.delete(key);
    }
  }
}
