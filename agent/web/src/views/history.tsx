// The records that the agent keeps on disk: traffic over time, who had it, and the latest flows of that time.
import { JSX } from 'preact';
import { ViewProps } from '../app';
import { withQuery } from '../api';
import { Chart } from '../chart';
import { useAnswer } from '../hooks';
import { bytesOf, endLabel, endOf, FlowRecord, packetsOf, service, userOf } from '../record';
import { Column, Table } from '../table';
import { bytes, clean, count, moment } from '../text';
import { go, link, Place } from '../url';
import { both, endIs, Name, Panel } from './parts';

interface Sums {
  records: number;
  packets: number;
  bytes: number;
}
type Point = Sums & { start: number };
type Pair = Sums & { 'src.process': string | null; 'src.address': string; 'dst.process': string | null; 'dst.address': string; 'dst.port': number };
type By<Name extends string> = Sums & { [name in Name]: string | null };

const HOUR_MS = 3_600_000;
const RANGES: [string, string, number][] = [
  ['15m', '15 minutes', HOUR_MS / 4], ['1h', 'Hour', HOUR_MS], ['6h', '6 hours', 6 * HOUR_MS], ['1d', 'Day', 24 * HOUR_MS], ['7d', '7 days', 168 * HOUR_MS],
];
const POINTS = 120;
const ROWS = 100;
const POLL_S = 30;

/** The time that the address names, in milliseconds: a range up to now, or from one moment to another. */
function period(place: Place, now: number): [number, number | undefined] {
  const range = RANGES.find(([name]) => name === (place.since || '1h'));
  // In whole steps, so that the requests stay the same for a while.
  if (range) return [Math.floor(now / (POLL_S * 1000)) * POLL_S * 1000 - range[2], undefined];
  const [since, until] = [Date.parse(place.since), Date.parse(place.until)];
  return [Number.isNaN(since) ? now - HOUR_MS : since, Number.isNaN(until) ? undefined : until];
}

export function History({ live, place }: ViewProps): JSX.Element {
  const [since, until] = period(place, live.now);
  const step = Math.max(1, Math.round(((until ?? live.now) - since) / POINTS / 1000));
  const asked = { filter: place.filter, since, until };
  const ask = <T,>(page: string, more: { [name: string]: string | number }): { value?: T; line?: string } =>
    useAnswer<T>(withQuery(`api/history/${page}`, { ...asked, ...more }), live, POLL_S);
  const series = ask<{ points: Point[]; skipped: string[] }>('series', { step });
  const processes = ask<{ groups: By<'process'>[] }>('groups', { by: 'process', limit: ROWS });
  const users = ask<{ groups: By<'user'>[] }>('groups', { by: 'user', limit: ROWS });
  const pairs = ask<{ groups: Pair[] }>('groups', { by: 'src.process,src.address,dst.process,dst.address,dst.port', limit: ROWS });
  const flows = ask<{ flows: FlowRecord[] }>('flows', { limit: ROWS });
  const narrowed = (condition: string): string => link(place, { filter: both(place.filter, condition) });
  return (
    <>
      <Panel title="Traffic" kind="wide">
        <Range place={place} since={since} until={until} />
        {series.line && <p class="bad" role="alert">{clean(series.line)}</p>}
        {series.value?.skipped.map((line) => <p class="warn">{clean(line)}</p>)}
        <Traffic points={series.value?.points ?? []} step={step} />
      </Panel>
      <Panel title="Pairs" kind="wide" note="those with the most bytes">
        <Table label="Pairs" columns={PAIRS} rows={pairs.value?.groups ?? []} id={pairId} place={place} order="" href={(p) => narrowed(pairIs(p))} empty="No record." />
      </Panel>
      <Panel title="Processes" note="at either end">
        <Table label="Processes" columns={named('process', 'Process')} rows={processes.value?.groups ?? []} id={(g) => g.process ?? ''} place={place} order=""
          href={(g) => narrowed(g.process === null ? 'src.process == null && dst.process == null' : endIs('', g.process, true))} empty="No record." />
      </Panel>
      <Panel title="Users" note="at either end">
        <Table label="Users" columns={named('user', 'User')} rows={users.value?.groups ?? []} id={(g) => g.user ?? ''} place={place} order=""
          href={(g) => narrowed(g.user === null ? 'src.user == null && dst.user == null' : `user == ${JSON.stringify(g.user)}`)} empty="No record." />
      </Panel>
      <Panel title="Latest records" kind="wide">
        <Table label="Latest records" columns={FLOWS} rows={flows.value?.flows ?? []} id={(r) => `${r['FLOW_KEY'] ?? ''}.${endOf(r)}`} place={place} order="" empty="No record." />
      </Panel>
    </>
  );
}

/** The choice of the time, which the address keeps. */
function Range({ place, since, until }: { place: Place; since: number; until: number | undefined }): JSX.Element {
  const chosen = RANGES.some(([name]) => name === place.since) ? place.since : place.since === '' ? '1h' : 'other';
  const choose = (name: string): void =>
    go({ ...place, since: name === 'other' ? new Date(since).toISOString() : name, until: name === 'other' ? new Date(until ?? Date.now()).toISOString() : '' });
  const set = (change: Partial<Place>) => (event: { currentTarget: HTMLInputElement }): void => {
    const time = new Date(event.currentTarget.value);
    const [name] = Object.keys(change) as ['since' | 'until'];
    if (!Number.isNaN(time.getTime())) go({ ...place, [name]: time.toISOString() });
  };
  return (
    <p class="range">
      <label>Time <select value={chosen} onChange={(e) => choose(e.currentTarget.value)}>
        {RANGES.map(([name, label]) => <option value={name}>{label}</option>)}
        <option value="other">From – to</option>
      </select></label>
      {chosen === 'other' && <label>From <input type="datetime-local" value={local(since)} onChange={set({ since: '' })} /></label>}
      {chosen === 'other' && <label>To <input type="datetime-local" value={local(until ?? Date.now())} onChange={set({ until: '' })} /></label>}
    </p>
  );
}

/** A local time as the input of a form has it. */
function local(ms: number): string {
  return new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** Steps without records are zero. */
function Traffic({ points, step }: { points: Point[]; step: number }): JSX.Element {
  const known = new Map(points.map((p) => [p.start / 1000, p]));
  const [first, last] = [points[0], points.at(-1)];
  const times: number[] = [];
  if (first && last) for (let at = first.start / 1000; at <= last.start / 1000; at += step) times.push(at);
  const values = times.map((at) => (known.get(at)?.bytes ?? 0) / step);
  return <div class="charts"><Chart label="Bytes per second" times={times} format={(n) => `${bytes(n)}/s`} lines={[{ label: 'Bytes per second', colour: '--accent', values }]} /></div>;
}

const sums = <T extends Sums>(): Column<T>[] => [
  { key: 'records', label: 'Records', isNumber: true, value: (g) => g.records, cell: (g) => count(g.records) },
  { key: 'packets', label: 'Packets', isNumber: true, isExtra: true, value: (g) => g.packets, cell: (g) => count(g.packets) },
  { key: 'bytes', label: 'Bytes', isNumber: true, value: (g) => g.bytes, cell: (g) => bytes(g.bytes) },
];

function named<N extends string>(name: N, label: string): Column<By<N>>[] {
  const of = (g: By<N>): string => g[name] ?? 'not known';
  return [{ key: name, label, value: of, cell: (g) => <Name text={of(g)} /> }, ...sums<By<N>>()];
}

const PAIRS: Column<Pair>[] = [
  { key: 'source', label: 'Source', value: (p) => p['src.process'] ?? p['src.address'], cell: (p) => <Name text={p['src.process'] ?? p['src.address']} /> },
  { key: 'destination', label: 'Destination', value: (p) => p['dst.process'] ?? p['dst.address'], cell: (p) => <Name text={p['dst.process'] ?? p['dst.address']} /> },
  { key: 'address', label: 'Address', isExtra: true, value: (p) => p['dst.address'], cell: (p) => <Name text={p['dst.address']} /> },
  { key: 'port', label: 'Port', isNumber: true, value: (p) => p['dst.port'] },
  ...sums<Pair>(),
];

const pairId = (p: Pair): string => [p['src.process'], p['src.address'], p['dst.process'], p['dst.address'], p['dst.port']].join(' ');

function pairIs(p: Pair): string {
  const end = (side: 'src' | 'dst', process: string | null, address: string): string => endIs(side, process ?? address, process !== null);
  return [end('src', p['src.process'], p['src.address']), end('dst', p['dst.process'], p['dst.address']), `dst.port == ${p['dst.port']}`].join(' && ');
}

const FLOWS: Column<FlowRecord>[] = [
  { key: 'last', label: 'Last', value: endOf, cell: (r) => moment(endOf(r)), title: 'Time of the last packet' },
  { key: 'source', label: 'Source', value: (r) => endLabel(r, 'SRC'), cell: (r) => <Name text={endLabel(r, 'SRC')} /> },
  { key: 'destination', label: 'Destination', value: (r) => endLabel(r, 'DST'), cell: (r) => <Name text={endLabel(r, 'DST')} /> },
  { key: 'service', label: 'Service', value: service },
  { key: 'user', label: 'User', isExtra: true, value: (r) => userOf(r, 'SRC') ?? userOf(r, 'DST') ?? '', cell: (r) => <Name text={userOf(r, 'SRC') ?? userOf(r, 'DST') ?? ''} /> },
  { key: 'packets', label: 'Packets', isNumber: true, isExtra: true, value: packetsOf, cell: (r) => count(packetsOf(r)) },
  { key: 'bytes', label: 'Bytes', isNumber: true, value: bytesOf, cell: (r) => bytes(bytesOf(r)) },
];
