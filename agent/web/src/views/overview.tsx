// Who talks to whom, how much, and what fails.
import { JSX } from 'preact';
import { useMemo, useRef } from 'preact/hooks';
import { ViewProps } from '../app';
import { withQuery } from '../api';
import { Sparkline } from '../chart';
import { ApiGraph, busiest, fromApi, fromFlows, Graph, GraphNode, Rates } from '../graph';
import { GraphView } from '../graphview';
import { HostFigures, hostUsage } from '../hostfigures';
import { usePolled } from '../hooks';
import { Live } from '../live';
import { failures, Pair, pairs } from '../rows';
import { Column, Table } from '../table';
import { about, bytes, clean, clock, count, duration, percent, rate } from '../text';
import { go, link, Place } from '../url';
import { both, bytesColumn, endIs, failuresColumn, Name, pairIs, Panel, rateColumn } from './parts';

/** Connections that are drawn: their names can still be read. */
const MAX_EDGES = 40;
const POLL_S = 2;

export function Overview({ live, place }: ViewProps): JSX.Element {
  const graph = useGraph(live, place);
  const flows = live.book.all();
  const [busy, failed] = [pairs(flows, live.now), failures(flows, live.now)];
  const note = `of the latest ${count(flows.length)} flows${place.filter ? ' that the filter selects' : ''}`;
  return (
    <>
      <Tiles live={live} />
      <div class="columns">
        <Panel title="Processes talking to processes" kind="wide" note={place.filter ? note : 'since the agent started'}>
          <GraphView label="Processes talking to processes" graph={graph} selected={place.select} onSelect={(node) => go({ ...place, select: node?.id ?? '' }, true)} />
          <Selected graph={graph} place={place} />
        </Panel>
        <div class="stack">
          <Panel title="Busiest pairs" note={note}>
            <Table label="Busiest pairs" columns={PAIR_COLUMNS} rows={busy} id={(p) => p.id} place={{ ...place, select: '' }} order="-rate"
              href={(p) => flowsOf(place, pairIs(p))} empty="No flow yet." />
          </Panel>
          <Panel title="Failed connections" note={note}>
            <Table label="Failed connections" columns={FAILURE_COLUMNS} rows={failed} id={(p) => p.id} place={{ ...place, select: '' }} order="-last"
              href={(p) => flowsOf(place, `${pairIs(p)} && CONNECT_ERROR > 0`)} empty="No connection attempt failed." rowClass={() => 'failed'} />
          </Panel>
        </div>
      </div>
    </>
  );
}

const flowsOf = (place: Place, condition: string): string => link(place, { view: 'flows', filter: both(place.filter, condition) });

const PAIR_COLUMNS: Column<Pair>[] = [
  { key: 'source', label: 'Source', value: (p) => p.source, cell: (p) => <Name text={p.source} /> },
  { key: 'destination', label: 'Destination', value: (p) => p.destination, cell: (p) => <Name text={p.destination} /> },
  { key: 'service', label: 'Service', value: (p) => p.service, cell: (p) => <>{p.service}{p.application && <span class="muted"> {p.application}</span>}</> },
  failuresColumn(),
  bytesColumn(),
  rateColumn(),
];

const FAILURE_COLUMNS: Column<Pair>[] = [
  { key: 'source', label: 'Source', value: (p) => p.source, cell: (p) => <Name text={p.source} /> },
  { key: 'destination', label: 'Destination', value: (p) => p.destination, cell: (p) => <Name text={p.destination} /> },
  { key: 'service', label: 'Service', value: (p) => p.service },
  { key: 'reason', label: 'Why', value: (p) => p.reasons, cell: (p) => <b class="bad">{p.reasons}</b> },
  { key: 'failures', label: 'Times', isNumber: true, value: (p) => p.failures, cell: (p) => count(p.failures) },
  { key: 'last', label: 'Last', isNumber: true, value: (p) => p.last, cell: (p) => clock(p.last) },
];

/** From the agent's own graph, or, with a filter, from the flows that it selects. */
function useGraph(live: Live, place: Place): Graph {
  const rates = useRef(new Rates());
  const path = place.filter ? undefined : withQuery('api/graph', { limit: MAX_EDGES * 2 });
  const answer = usePolled<ApiGraph>(path, live, POLL_S);
  const drawn = useMemo(() => answer && busiest(fromApi(answer, rates.current.update(answer, live.now)), MAX_EDGES), [answer]);
  if (place.filter) return fromFlows(live.book.all(), live.now, MAX_EDGES);
  return drawn ?? { nodes: [], edges: [] };
}

function Tiles({ live }: { live: Live }): JSX.Element {
  const figures = usePolled<HostFigures | null>('api/host', live, POLL_S);
  const before = useRef<{ latest?: HostFigures; before?: HostFigures }>({});
  if (figures && figures !== before.current.latest) before.current = { latest: figures, before: before.current.latest };
  const usage = figures && hostUsage(figures, before.current.before);
  const { status, traffic } = live;
  const shown = (name: string): number[] => traffic.perSecond(name)[1].slice(-120);
  const failed = live.book.all().filter((flow) => flow.failure !== undefined && live.now - flow.end < 60_000).length;
  return (
    <ul class="tiles" aria-label="Figures">
      <Tile label="Traffic" value={rate(traffic.lately('bytes'))} note={`${about(traffic.lately('packets'))} packets/s`}><Sparkline values={shown('bytes')} label="Traffic of the last two minutes" /></Tile>
      <Tile label="Flows now" value={status ? count(status.active_flows) : '–'} note={`${about(traffic.lately('records'))} records/s`}><Sparkline values={shown('records')} label="Records of the last two minutes" /></Tile>
      <Tile label="Failed, last minute" value={count(failed)} kind={failed > 0 ? 'bad' : ''} note="connection attempts" />
      <Tile label="Attributed" value={status && status.attributable > 0 ? `${((100 * status.attributed) / status.attributable).toFixed(1)} %` : '–'} note="of local ends have a process" />
      <Tile label="Lost" value={status ? count(status.lost) : '–'} kind={status && status.lost > 0 ? 'warn' : ''} note={status ? `in ${duration(status.seconds * 1000)}` : ''} />
      <Tile label="Host CPU" value={percent(usage?.cpu)} note={`I/O wait ${percent(usage?.iowait)}, load ${figures ? figures.load.map((l) => l.toFixed(1)).join(' ') : '–'}`} />
      <Tile label="Host memory" value={figures ? percent((100 * usage!.memoryUsed) / figures.memory.total) : '–'} note={figures ? `${bytes(usage!.memoryUsed)} of ${bytes(figures.memory.total)}` : ''} />
    </ul>
  );
}

function Tile(props: { label: string; value: string; note: string; kind?: string; children?: JSX.Element | null }): JSX.Element {
  return (
    <li class={`tile ${props.kind ?? ''}`}>
      <span class="label">{props.label}</span>
      <b>{props.value}</b>
      <span class="muted">{props.note}</span>
      {props.children}
    </li>
  );
}

/** What is selected in the graph, with ways to see more of it. */
function Selected({ graph, place }: { graph: Graph; place: Place }): JSX.Element {
  const node: GraphNode | undefined = graph.nodes.find((n) => n.id === place.select);
  if (!node) return <p class="muted hint">Lines go from clients to servers. Red: attempts failed. Choose a node to see its own connections.</p>;
  const title = node.id.slice(node.id.indexOf('/') + 1);
  const edges = graph.edges.filter((e) => e.source === node.id || e.target === node.id);
  return (
    <p class="hint">
      <b><Name text={title} /></b>{` ${node.user && `user ${clean(node.user)}, `}${edges.length} connections, ${bytes(node.bytes)}. `}
      {node.kind !== 'other' && <a href={flowsOf(place, endIs('', node.kind === 'process' ? title : node.title, node.kind === 'process'))}>Its flows</a>}{' '}
      <button type="button" onClick={() => go({ ...place, select: '' }, true)}>Show all</button>
    </p>
  );
}
