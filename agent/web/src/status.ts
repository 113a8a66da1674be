// The event `status` of `/api/stream`.

export type Counts = { [label: string]: number };

export interface Loss {
  stage: string;
  what: string;
  reason: string;
  total: number;
}

export interface Exporter {
  name: string;
  records: number;
  filtered: number;
  lost: number;
  queue: number;
  spooled: number;
}

export interface Status {
  host: string;
  version: string;
  time: number;
  seconds: number;
  packets: number;
  bytes: number;
  active_flows: number;
  records: number;
  lost: number;
  attributed: number;
  attributable: number;
  not_ready: string[];
  degraded: string[];
  losses: Loss[];
  discards: Counts;
  hooks: { [fact: string]: string };
  self_tests: Counts;
  tables: Counts;
  queues: Counts;
  thread_restarts: Counts;
  exporters: Exporter[];
}
