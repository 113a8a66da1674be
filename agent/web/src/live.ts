// What comes from the agent: the stream of records and the status, and the state of the connection.
import { json, Refused, request, withQuery } from './api';
import { Book } from './book';
import { events, ServerEvent } from './events';
import { FlowRecord } from './record';
import { Series } from './series';
import { Status } from './status';

/** Records that the page reads at the beginning. */
const MAX_FIRST_RECORDS = 2500;
const PAGE_RECORDS = 500;
const RETRY_MS = 2000;

/** `wrong`: the agent refuses the filter; `refused`: it refuses to answer; `lost`: there is no answer. */
export type Connection =
  | { state: 'connecting' | 'live' | 'token' }
  | { state: 'wrong' | 'refused' | 'lost'; line: string };

interface Flows {
  flows: FlowRecord[];
  missed: number;
  next_cursor: string | null;
}

export class Live {
  readonly book = new Book();
  status: Status | undefined;
  connection: Connection = { state: 'connecting' };
  /** Records that the agent could not send in time. */
  missed = 0;
  /** Figures of the status, one entry a second, since the page was opened. */
  readonly traffic = new Series(['bytes', 'packets', 'records']);
  private readonly listeners = new Set<() => void>();
  private filter = '';
  private lastId = '';
  private stopping = new AbortController();
  private isHeld = false;

  constructor() {
    document.addEventListener('visibilitychange', () => this.follow());
  }

  /** Calls the listener after each change, until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private changed(): void {
    this.listeners.forEach((listener) => listener());
  }

  /** The agent's time, milliseconds. */
  get now(): number {
    return this.status?.time ?? Date.now();
  }

  get isPaused(): boolean {
    return this.isHeld;
  }

  /** Holds what is shown, or goes on. */
  hold(isHeld: boolean): void {
    this.isHeld = isHeld;
    this.follow();
    this.changed();
  }

  /** Reads records for which this is true, from the beginning. */
  select(filter: string): void {
    this.filter = filter;
    this.lastId = '';
    this.missed = 0;
    this.book.clear();
    this.connection = { state: 'connecting' };
    this.changed();
    this.follow();
  }

  /** Reads while someone looks. What comes meanwhile is read afterwards, as far as the agent still has it. */
  private follow(): void {
    this.stopping.abort();
    this.stopping = new AbortController();
    if (!document.hidden && !this.isHeld) void this.run(this.stopping.signal);
  }

  private async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.read(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(await this.failed(error, signal))) return;
      }
    }
  }

  private async read(signal: AbortSignal): Promise<void> {
    const first = { limit: PAGE_RECORDS, filter: this.filter };
    const parameters = this.lastId ? { after: this.lastId, filter: this.filter } : first;
    const answer = await request(withQuery('api/stream', parameters), signal);
    for await (const event of events(answer)) {
      if (signal.aborted) return;
      this.take(event, signal);
    }
  }

  private take(event: ServerEvent, signal: AbortSignal): void {
    if (event.id) this.lastId = event.id;
    if (event.name === 'status') {
      this.status = JSON.parse(event.data) as Status;
      this.traffic.add(this.status.time, [this.status.bytes, this.status.packets, this.status.records]);
    }
    if (event.name === 'flows') {
      const { flows, missed, next_cursor } = JSON.parse(event.data) as Flows;
      this.book.add(flows);
      this.missed += missed;
      if (next_cursor) void this.readOlder(next_cursor, signal).catch(() => undefined);
    }
    this.connection = { state: 'live' };
    this.changed();
  }

  /** The records before the first ones of the stream. */
  private async readOlder(cursor: string | null, signal: AbortSignal): Promise<void> {
    const older: FlowRecord[] = [];
    while (cursor && older.length < MAX_FIRST_RECORDS) {
      const path: string = withQuery('api/flows', { cursor, limit: PAGE_RECORDS, filter: this.filter });
      const page: Flows = await json<Flows>(path, signal);
      older.push(...page.flows);
      cursor = page.next_cursor;
    }
    if (signal.aborted) return;
    this.book.addOlder(older);
    this.changed();
  }

  /** Whether to try again, after a while. */
  private async failed(error: unknown, signal: AbortSignal): Promise<boolean> {
    if (error instanceof Refused && error.status === 410) {
      // The agent was started again.
      this.lastId = '';
      this.book.clear();
      return true;
    }
    this.connection = connectionAfter(error);
    this.changed();
    const isFinal = ['token', 'wrong'].includes(this.connection.state);
    if (!isFinal) await pause(error instanceof Refused && error.retryAfter > 0 ? error.retryAfter * 1000 : RETRY_MS, signal);
    return !isFinal;
  }
}

function connectionAfter(error: unknown): Connection {
  if (!(error instanceof Refused)) return { state: 'lost', line: 'the agent does not answer' };
  if (error.status === 401) return { state: 'token' };
  return { state: error.status === 422 ? 'wrong' : 'refused', line: error.message };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
