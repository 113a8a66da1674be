// The list of flows, and one of them in full.
import { JSX } from 'preact';
import { ViewProps } from '../app';
import { Flow, rateAt } from '../book';
import { endLabel, failure, FlowRecord, packetsOf, processId, processName, requestedName, service, Side, userOf, application } from '../record';
import { Column, Table } from '../table';
import { bytes, clean, clock, count, duration, moment, rate } from '../text';
import { go, link, Place } from '../url';
import { Facts, Name, Panel, processLink } from './parts';

export function Flows({ live, place }: ViewProps): JSX.Element {
  const flows = live.book.all();
  const opened = place.select === '' ? undefined : live.book.get(place.select);
  const since = flows.reduce((first, flow) => Math.min(first, flow.start), Infinity);
  const note = flows.length > 0 ? `${count(flows.length)} since ${clock(since)}` : undefined;
  return (
    <div class={opened ? 'columns' : ''}>
      <Panel title="Flows" kind="wide tall" note={note}>
        <FlowTable flows={flows} now={live.now} place={place} isMain />
      </Panel>
      {opened && <Opened flow={opened} place={place} now={live.now} />}
    </div>
  );
}

interface FlowTableProps {
  flows: Flow[];
  now: number;
  place: Place;
  isMain?: boolean;
}

/** A table of flows; each leads to the flow in the list of all. */
export function FlowTable({ flows, now, place, isMain }: FlowTableProps): JSX.Element {
  return (
    <Table
      label="Flows" columns={columns(now)} rows={flows} id={(f) => f.id} place={place} order="-last" isMain={isMain}
      href={(f) => link(place, { view: 'flows', select: f.id })} rowClass={(f) => (f.failure ? 'failed' : f.isActive ? '' : 'past')}
      empty="No flow yet."
    />
  );
}

function columns(now: number): Column<Flow>[] {
  return [
    { key: 'last', label: 'Last', value: (f) => f.end, cell: (f) => clock(f.end), title: 'Time of the last packet' },
    { key: 'source', label: 'Source', value: (f) => endLabel(f.record, 'SRC'), cell: (f) => <Name text={endLabel(f.record, 'SRC')} /> },
    { key: 'destination', label: 'Destination', value: (f) => endLabel(f.record, 'DST'), cell: (f) => <Name text={endLabel(f.record, 'DST')} /> },
    { key: 'service', label: 'Service', value: (f) => service(f.record), cell: (f) => <>{service(f.record)}{application(f.record) && <span class="muted"> {application(f.record)}</span>}</> },
    { key: 'name', label: 'Name', isExtra: true, value: (f) => requestedName(f.record), cell: (f) => <Name text={requestedName(f.record)} />, title: 'The name that the client asked for' },
    { key: 'user', label: 'User', isExtra: true, value: (f) => user(f.record), cell: (f) => <Name text={user(f.record)} /> },
    { key: 'state', label: 'State', value: state, cell: (f) => <span class={f.failure ? 'bad' : f.isActive ? 'good' : 'muted'}>{state(f)}</span> },
    { key: 'lasted', label: 'Lasted', isNumber: true, isExtra: true, value: (f) => f.end - f.start, cell: (f) => duration(f.end - f.start) },
    { key: 'packets', label: 'Packets', isNumber: true, isExtra: true, value: (f) => f.packets, cell: (f) => count(f.packets) },
    { key: 'bytes', label: 'Bytes', isNumber: true, value: (f) => f.bytes, cell: (f) => bytes(f.bytes) },
    { key: 'rate', label: 'Rate', isNumber: true, value: (f) => rateAt(f, now), cell: (f) => <span class={rateAt(f, now) >= 0.5 ? 'busy' : 'muted'}>{rate(rateAt(f, now))}</span> },
  ];
}

const user = (r: FlowRecord): string => userOf(r, 'SRC') ?? userOf(r, 'DST') ?? '';
const state = (f: Flow): string => f.failure ?? (f.isActive ? 'active' : 'ended');

/** One flow: sums over its records, its ends, and its latest record in full. */
function Opened({ flow, place, now }: { flow: Flow; place: Place; now: number }): JSX.Element {
  const r = flow.record;
  return (
    <Panel title="Flow" kind="opened" note={<button type="button" onClick={() => go({ ...place, select: '' })}>Close</button>}>
      <Facts facts={[
        ['Service', service(r)], ['Name', requestedName(r)], ['State', failure(r) ?? state(flow)],
        ['From', moment(flow.start)], ['To', moment(flow.end)], ['Bytes', `${bytes(flow.bytes)}: ${bytes(flow.sent.SRC)} out, ${bytes(flow.sent.DST)} back`],
        ['Packets', `${count(flow.packets)}, of the latest record ${count(packetsOf(r))}`], ['Rate', rate(rateAt(flow, now))],
      ]} />
      <End record={r} side="SRC" place={place} />
      <End record={r} side="DST" place={place} />
      <details>
        <summary>All elements of the latest record</summary>
        <Facts facts={Object.entries(r).map(([name, value]) => [name, <Name text={String(value)} />])} />
      </details>
    </Panel>
  );
}

function End({ record: r, side, place }: { record: FlowRecord; side: Side; place: Place }): JSX.Element {
  const [process, name] = [processId(r, side), processName(r, side)];
  const value = (element: string): JSX.Element | undefined => (r[`${side}_${element}`] === undefined ? undefined : <Name text={String(r[`${side}_${element}`])} />);
  const at = `${r[`IPV4_${side}_ADDR`] ?? r[`IPV6_${side}_ADDR`] ?? ''} port ${r[`L4_${side}_PORT`] ?? '–'}`;
  return (
    <>
      <h3>{side === 'SRC' ? 'Source' : 'Destination'}</h3>
      <Facts facts={[
        ['Address', at],
        ['Process', process && <a href={processLink(place, process)}><Name text={`${clean(name ?? '')}(${process.pid})`} /></a>],
        ['User', value('PROC_USER_NAME')], ['Command', value('PROC_CMDLINE')], ['Parents', value('PROC_ANCESTORS')],
        ['Container', value('PROC_CONTAINER_ID')], ['Pod', value('K8S_POD')], ['Unit', value('PROC_UNIT')], ['Known by', value('PROC_ATTRIBUTION')],
        ['Could be', value('CANDIDATE_PROC_NAME')],
      ]} />
    </>
  );
}
