// `/api/host`, and shares of time between two answers.

export interface HostFigures {
  about: { kernel: string; os: string; architecture: string; cpus: number; cpu_model: string };
  uptime_s: number;
  cpu: { [mode: string]: number };
  load: number[];
  memory: { total: number; used: number; available: number };
}

export interface HostUsage {
  cpu: number | undefined;
  iowait: number | undefined;
  memoryUsed: number;
}

/** Percent of the time of all processors; undefined without an earlier answer. */
export function hostUsage(latest: HostFigures, before: HostFigures | undefined): HostUsage {
  const memoryUsed = latest.memory.used;
  if (!before) return { cpu: undefined, iowait: undefined, memoryUsed };
  const grown = (mode: string): number => Math.max(0, (latest.cpu[mode] ?? 0) - (before.cpu[mode] ?? 0));
  const total = Object.keys(latest.cpu).reduce((sum, mode) => sum + grown(mode), 0);
  if (total === 0) return { cpu: undefined, iowait: undefined, memoryUsed };
  const [idle, iowait] = [grown('idle_ns'), grown('iowait_ns')];
  return { cpu: (100 * (total - idle - iowait)) / total, iowait: (100 * iowait) / total, memoryUsed };
}
