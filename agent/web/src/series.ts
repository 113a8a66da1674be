// Figures over the last minutes.

/** The most readings that are kept: ten minutes of one a second. */
const MAX_READINGS = 600;

/** Readings of counters that only grow, one row per time. */
export class Series {
  private times: number[] = [];
  private readonly columns: number[][];

  constructor(private readonly names: readonly string[]) {
    this.columns = names.map(() => []);
  }

  /** Readings at a time in milliseconds; a time that is not later than the last is ignored. */
  add(time: number, values: readonly number[]): void {
    if (time <= (this.times.at(-1) ?? 0)) return;
    // A counter that became less is that of another run of the agent.
    if (values.some((value, i) => value < (this.columns[i]!.at(-1) ?? 0))) this.clear();
    this.times.push(time);
    values.forEach((value, i) => this.columns[i]!.push(value));
    if (this.times.length > MAX_READINGS) [this.times, ...this.columns].forEach((column) => column.shift());
  }

  private clear(): void {
    this.times = [];
    this.columns.forEach((column) => column.splice(0));
  }

  /** Growth per second between readings: the times in seconds, and the values. */
  perSecond(name: string): [number[], number[]] {
    const column = this.columns[this.names.indexOf(name)]!;
    const values = column.slice(1).map((value, i) => ((value - column[i]!) * 1000) / (this.times[i + 1]! - this.times[i]!));
    return [this.times.slice(1).map((ms) => ms / 1000), values];
  }

  /** The latest growth per second, over a few readings. */
  lately(name: string, readings = 5): number {
    const [, values] = this.perSecond(name);
    const last = values.slice(-readings);
    return last.length === 0 ? 0 : last.reduce((a, b) => a + b, 0) / last.length;
  }
}
