// Sums over flows: pairs, failures, hosts, users, processes.
import { Flow, rateAt } from './book';
import { address, application, processId, processName, requestedName, service, Side, userOf } from './record';

/** Sums of a group of flows. */
export interface Sums {
  flows: number;
  active: number;
  failures: number;
  bytes: number;
  sent: number;
  received: number;
  rate: number;
  last: number;
}

const none = (): Sums => ({ flows: 0, active: 0, failures: 0, bytes: 0, sent: 0, received: 0, rate: 0, last: 0 });

/** Adds a flow; `side` is the group's end of it. */
function add(sums: Sums, flow: Flow, side: Side, now: number): void {
  sums.flows += 1;
  sums.active += flow.isActive ? 1 : 0;
  sums.failures += flow.failure === undefined ? 0 : 1;
  sums.bytes += flow.bytes;
  sums.sent += flow.sent[side];
  sums.received += flow.sent[side === 'SRC' ? 'DST' : 'SRC'];
  sums.rate += rateAt(flow, now);
  sums.last = Math.max(sums.last, flow.end);
}

/** Processes of one name, or the address of an end without a process. */
export function endName(flow: Flow, side: Side): string {
  return processName(flow.record, side) ?? address(flow.record, side);
}

/** The service of the agent's tests of itself. */
const SELF_TEST = 'self-test';

export interface Pair extends Sums {
  id: string;
  source: string;
  destination: string;
  isProcess: { [side in Side]: boolean };
  service: string;
  application: string;
  reasons: string;
}

/** The agent's tests of itself have a port of their own each; together they are one row. */
function serviceOf({ record }: Flow): string {
  const isSelfTest = record['OWN_TRAFFIC'] !== undefined && record['SRC_PROC_PID'] !== undefined && record['SRC_PROC_PID'] === record['DST_PROC_PID'];
  return isSelfTest ? SELF_TEST : service(record);
}

/** Flows with the same two names and the same service; `split` also by why they failed. */
function grouped(flows: readonly Flow[], now: number, split: (flow: Flow) => string): Pair[] {
  const pairs = new Map<string, Pair>();
  for (const flow of flows) {
    const reason = split(flow);
    const [source, destination, at] = [endName(flow, 'SRC'), endName(flow, 'DST'), serviceOf(flow)];
    const id = [source, destination, at, reason].join('\n');
    const isProcess = { SRC: processName(flow.record, 'SRC') !== undefined, DST: processName(flow.record, 'DST') !== undefined };
    const pair = pairs.get(id) ?? { ...none(), id, source, destination, isProcess, service: at, application: '', reasons: reason };
    add(pair, flow, 'SRC', now);
    pair.application ||= application(flow.record);
    pairs.set(id, pair);
  }
  return [...pairs.values()];
}

export const pairs = (flows: readonly Flow[], now: number): Pair[] => grouped(flows, now, () => '');

export function failures(flows: readonly Flow[], now: number): Pair[] {
  return grouped(flows.filter((flow) => flow.failure !== undefined), now, (flow) => flow.failure!);
}

export interface HostRow extends Sums {
  id: string;
  names: Set<string>;
  processes: Set<string>;
  services: Set<string>;
}

/** Addresses, each with what it sent and received. */
export function hosts(flows: readonly Flow[], now: number): HostRow[] {
  const rows = new Map<string, HostRow>();
  for (const flow of flows) {
    const ends = new Map<string, Side>([[address(flow.record, 'DST'), 'DST'], [address(flow.record, 'SRC'), 'SRC']]);
    for (const [id, side] of ends) {
      const row = rows.get(id) ?? { ...none(), id, names: new Set(), processes: new Set(), services: new Set() };
      add(row, flow, side, now);
      const isServer = address(flow.record, 'DST') === id;
      if (isServer && requestedName(flow.record)) row.names.add(requestedName(flow.record));
      if (isServer) row.services.add(service(flow.record));
      for (const end of ['SRC', 'DST'] as const) {
        const process = processName(flow.record, end);
        if (process !== undefined) row.processes.add(process);
      }
      rows.set(id, row);
    }
  }
  return [...rows.values()];
}

export interface UserRow extends Sums {
  id: string;
  /** Their identities as `pid.start`. */
  processes: Set<string>;
  names: Set<string>;
  cpu: number;
  memory: number;
}

/** The identity of a process as one word. */
export const processKey = (pid: number, start: number): string => `${pid}.${start}`;

/** Users, each with its processes at either end. */
export function users(flows: readonly Flow[], now: number): UserRow[] {
  const rows = new Map<string, UserRow>();
  for (const flow of flows) {
    const seen = new Set<string>();
    for (const side of ['SRC', 'DST'] as const) {
      const [id, process] = [userOf(flow.record, side), processId(flow.record, side)];
      if (id === undefined || process === undefined) continue;
      const row = rows.get(id) ?? { ...none(), id, processes: new Set(), names: new Set(), cpu: 0, memory: 0 };
      // A flow between two processes of one user counts once.
      if (!seen.has(id)) add(row, flow, side, now);
      seen.add(id);
      row.processes.add(processKey(process.pid, process.start));
      row.names.add(processName(flow.record, side)!);
      rows.set(id, row);
    }
  }
  return [...rows.values()];
}

/** Sums by process, as `pid.start`. */
export function byProcess(flows: readonly Flow[], now: number): Map<string, Sums> {
  const rows = new Map<string, Sums>();
  for (const flow of flows) {
    const ends = new Map<string, Side>();
    for (const side of ['DST', 'SRC'] as const) {
      const process = processId(flow.record, side);
      if (process) ends.set(processKey(process.pid, process.start), side);
    }
    for (const [id, side] of ends) {
      const row = rows.get(id) ?? none();
      add(row, flow, side, now);
      rows.set(id, row);
    }
  }
  return rows;
}
