// One process: who it is, who started it, what it uses, whom it talks to.
import { ComponentChildren, JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { ViewProps } from '../app';
import { withQuery } from '../api';
import { Book } from '../book';
import { Chart } from '../chart';
import { fromFlows } from '../graph';
import { GraphView } from '../graphview';
import { usePolled } from '../hooks';
import { parents, Process, ProcessPage, workload } from '../process';
import { FlowRecord, ProcessId } from '../record';
import { byProcess, processKey } from '../rows';
import { bytes, clean, count, moment, percent, rate } from '../text';
import { link, Place } from '../url';
import { sideOf, usage } from '../usage';
import { FlowTable } from './flows';
import { Failures, Facts, Name, Panel, processLink } from './parts';

const POLL_S = 4;
const MAX_RECORDS = 500;
const MAX_PEERS = 30;

/** `all` are the processes that are known, among which are its children. */
export function OneProcess({ live, place, all }: ViewProps & { all: Process[] }): JSX.Element {
  const [pid, start] = place.select.split('.').map(Number) as [number, number];
  const id = { pid, start };
  const found = usePolled<ProcessPage>(withQuery('api/processes', { pid, limit: 10 }), live, POLL_S);
  const read = usePolled<{ flows: FlowRecord[] }>(withQuery('api/flows', { pid, limit: MAX_RECORDS }), live, POLL_S);
  const records = useMemo(() => (read?.flows ?? []).filter((r) => sideOf(r, id) !== undefined), [read, place.select]);
  const process = found?.processes.find((p) => p.start_time === start || start === 0);
  const back = <a href={link(place, { select: '' })}>All processes</a>;
  if (!found) return <Panel title="Process" note={back}><p class="muted">Reading…</p></Panel>;
  if (!process) return <Panel title="Process" note={back}><p>{`The agent does not know process ${pid} of that time any more.`}</p></Panel>;
  return (
    <>
      <Panel title="Process" kind="titled" note={back}>
        <p class="title"><Name text={process.name} /><span class="muted">{` PID ${process.pid}`}</span></p>
        <div class="columns even">
          <Identity process={process} />
          <Family process={process} all={all} place={place} />
        </div>
      </Panel>
      <UsageCharts records={records} id={id} />
      <Connections records={records} place={place} now={live.now} />
    </>
  );
}

function Identity({ process: p }: { process: Process }): JSX.Element {
  const name = (text: string | undefined): ComponentChildren => text && <Name text={text} />;
  const login = p.login && `${clean(p.login.user) || p.login.uid}, session ${p.login.session}`;
  const real = p.real_uid !== undefined && p.real_uid !== p.uid ? `${clean(p.real_user ?? '')} (${p.real_uid})` : undefined;
  return (
    <Facts facts={[
      ['User', <><Name text={p.user} />{p.uid !== undefined && <span class="muted">{` (${p.uid})`}</span>}</>], ['Real user', real], ['Login', login],
      ['Command', name(p.command_line)], ['Executable', p.executable && <><Name text={p.executable} />{p.executable_deleted && <b class="warn"> deleted or replaced</b>}</>],
      ['Started', moment(p.start_time)], ['Runs in', name(workload(p))], ['Slice', name(p.slice)], ['PID inside', p.inner_pid !== p.pid ? p.inner_pid : undefined],
      ['CPU', percent(p.cpu_percent)], ['I/O wait', percent(p.iowait_percent)],
      ['Memory', p.memory_actual === undefined ? undefined : `${bytes(p.memory_actual)}, at most ${bytes(p.memory_peak ?? p.memory_actual)}`],
      ['Page faults', p.minor_faults === undefined ? undefined : `${count(p.minor_faults)} minor, ${count(p.major_faults ?? 0)} major`],
      ['Sent', `${bytes(p.bytes_sent)} in ${count(p.packets_sent)} packets`], ['Received', `${bytes(p.bytes_received)} in ${count(p.packets_received)} packets`],
      ['Flows ended', count(p.flows)], ['Failed', p.failures > 0 ? <Failures n={p.failures} /> : undefined],
    ]} />
  );
}

/** Its parents down from the first one, itself, and its children with flows. */
function Family({ process, all, place }: { process: Process; all: Process[]; place: Place }): JSX.Element {
  const children = all.filter((p) => p.father?.pid === process.pid && p.start_time >= process.start_time);
  const known = new Map(all.map((p) => [p.pid, p]));
  const linked = ({ pid, name }: { pid: number; name: string }): JSX.Element => {
    const p = known.get(pid);
    const label = `${clean(name)}(${pid})`;
    return p && p.name === name ? <a href={processLink(place, { pid, start: p.start_time })}><Name text={label} /></a> : <Name text={label} />;
  };
  const below = (
    <li class="self">
      <b aria-current="true"><Name text={`${clean(process.name)}(${process.pid})`} /></b>
      {children.length > 0 && <ul>{children.map((p) => <li>{linked(p)}</li>)}</ul>}
    </li>
  );
  const tree = parents(process.ancestors ?? '').reduce((inner, parent) => <li>{linked(parent)}<ul>{inner}</ul></li>, below);
  return <div><h3>Started by</h3><ul class="tree" aria-label="Parents and children">{tree}</ul></div>;
}

function UsageCharts({ records, id }: { records: FlowRecord[]; id: ProcessId }): JSX.Element {
  const used = useMemo(() => usage(records, id), [records]);
  return (
    <Panel title="Usage" note={`in its latest ${count(records.length)} records`}>
      <div class="charts">
        <Chart label="CPU, of one processor" times={used.times} format={(v) => percent(v)} lines={[{ label: 'CPU', colour: '--accent', values: used.cpu }]} />
        <Chart label="Memory" times={used.times} format={bytes} lines={[{ label: 'Memory', colour: '--good', values: used.memory }]} />
        <Chart label="Traffic" times={used.times} format={(n) => `${bytes(n)}/s`} lines={[{ label: 'Sent', colour: '--accent', values: used.sent }, { label: 'Received', colour: '--warn', values: used.received }]} />
      </div>
    </Panel>
  );
}

function Connections({ records, place, now }: { records: FlowRecord[]; place: Place; now: number }): JSX.Element {
  const flows = useMemo(() => {
    const book = new Book();
    book.add(records.toReversed());
    return book.all();
  }, [records]);
  const graph = useMemo(() => fromFlows(flows, now, MAX_PEERS, true), [flows]);
  const sums = byProcess(flows, now).get(processKey(Number(place.select.split('.')[0]), Number(place.select.split('.')[1])));
  return (
    <div class="columns">
      <Panel title="Peers" note={`${graph.edges.length} connections`}>
        <GraphView label="Peers" graph={graph} />
      </Panel>
      <Panel title="Its flows" kind="wide" note={sums && `${count(flows.length)}, ${rate(sums.rate)} now`}>
        <FlowTable flows={flows} now={now} place={{ ...place, select: '' }} />
      </Panel>
    </div>
  );
}
