// A process as `/api/processes` has it.

export interface Process {
  pid: number;
  start_time: number;
  name: string;
  user: string;
  uid?: number;
  real_uid?: number;
  real_user?: string;
  login?: { uid: number; user: string; session: number };
  inner_pid?: number;
  executable?: string;
  executable_deleted?: boolean;
  command_line?: string;
  container_id?: string;
  container_runtime?: string;
  unit?: string;
  user_unit?: string;
  slice?: string;
  pod?: { namespace: string; name: string; container: string };
  father?: { pid: number; name?: string; uid?: number; user?: string };
  ancestors?: string;
  first_seen: number;
  last_seen: number;
  memory_actual?: number;
  memory_peak?: number;
  cpu_percent?: number;
  iowait_percent?: number;
  minor_faults?: number;
  major_faults?: number;
  flows: number;
  records_as_source: number;
  records_as_destination: number;
  failures: number;
  bytes_sent: number;
  bytes_received: number;
  packets_sent: number;
  packets_received: number;
}

export interface ProcessPage {
  processes: Process[];
  next_cursor: string | null;
}

/** The processes above one, the nearest first: a name may contain the signs that separate them, so from the end of each. */
export function parents(ancestors: string): { name: string; pid: number }[] {
  const found = ancestors.matchAll(/(.*?)\((\d+)\)(?:<|$)/gsu);
  return [...found].map((match) => ({ name: match[1]!, pid: Number(match[2]) }));
}

/** Where it runs: its pod, container or unit. */
export function workload(p: Process): string {
  if (p.pod) return `${p.pod.namespace}/${p.pod.name}`;
  return p.container_id ? `${p.container_runtime ?? 'container'}:${p.container_id.slice(0, 12)}` : p.user_unit || p.unit || '';
}
