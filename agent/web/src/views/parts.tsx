// Parts that several views share.
import { ComponentChildren, JSX } from 'preact';
import { ProcessId, Side } from '../record';
import { Pair, processKey } from '../rows';
import { Column } from '../table';
import { bytes, clean, count, quoted, rate } from '../text';
import { link, Place } from '../url';

export function Panel({ title, note, children, kind }: { title: string; note?: ComponentChildren; children: ComponentChildren; kind?: string }): JSX.Element {
  return (
    <section class={`panel ${kind ?? ''}`}>
      <h2>{title}{note !== undefined && <span class="note">{note}</span>}</h2>
      {children}
    </section>
  );
}

/** A name that comes from elsewhere: cleaned, and separated from the direction of writing around it. */
export function Name({ text }: { text: string }): JSX.Element {
  const shown = clean(text);
  return <bdi class="name" title={shown.length > 24 ? shown : undefined}>{shown}</bdi>;
}

/** The address of an opened process. */
export function processLink(place: Place, process: ProcessId): string {
  return link(place, { view: 'processes', select: processKey(process.pid, process.start) });
}

/** An expression that is true if both are; one of them may be empty. */
export function both(one: string, other: string): string {
  if (!one || !other) return one || other;
  return one === other ? one : `(${one}) && (${other})`;
}

/** The condition that an end is a process of this name or this address. */
export function endIs(side: 'src' | 'dst' | '', title: string, isProcess: boolean): string {
  return `${side}${side && '.'}${isProcess ? 'process' : 'address'} == ${quoted(title)}`;
}

/** The condition for the flows of a pair. */
export function pairIs(pair: Pair): string {
  const side = (at: Side): string => endIs(at === 'SRC' ? 'src' : 'dst', at === 'SRC' ? pair.source : pair.destination, pair.isProcess[at]);
  const port = pair.service.split(':')[1];
  return [side('SRC'), side('DST'), ...(port === undefined ? [] : [`dst.port == ${port}`])].join(' && ');
}

type Traffic = { bytes: number; rate: number };

export const bytesColumn = <T extends Traffic>(): Column<T> => ({
  key: 'bytes', label: 'Bytes', isNumber: true, value: (row) => row.bytes, cell: (row) => bytes(row.bytes),
});
export const rateColumn = <T extends Traffic>(): Column<T> => ({
  key: 'rate', label: 'Rate', isNumber: true, value: (row) => row.rate, cell: (row) => <span class={row.rate >= 0.5 ? 'busy' : 'muted'}>{rate(row.rate)}</span>,
});
export const failuresColumn = <T extends { failures: number }>(): Column<T> => ({
  key: 'failures', label: 'Failed', isNumber: true, value: (row) => row.failures, cell: (row) => <Failures n={row.failures} />, title: 'Connection attempts that failed',
});

export function Failures({ n }: { n: number }): JSX.Element {
  return n > 0 ? <b class="bad">{count(n)}</b> : <span class="muted">–</span>;
}

/** Names and values. */
export function Facts({ facts }: { facts: [string, ComponentChildren][] }): JSX.Element {
  const known = facts.filter(([, value]) => value !== undefined && value !== '' && value !== null);
  return <dl class="facts">{known.map(([name, value]) => <div><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

/** Some names, and how many more there are. */
export function some(names: Iterable<string>, most = 3): string {
  const all = [...names].sort();
  return all.slice(0, most).map(clean).join(', ') + (all.length > most ? ` +${all.length - most}` : '');
}
