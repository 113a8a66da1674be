// The processes of the latest flows.
import { JSX } from 'preact';
import { ViewProps } from '../app';
import { withQuery } from '../api';
import { usePolled } from '../hooks';
import { parents, Process, ProcessPage, workload } from '../process';
import { byProcess, processKey, Sums } from '../rows';
import { Column, Table } from '../table';
import { bytes, clean, clock, count, percent, rate } from '../text';
import { link } from '../url';
import { OneProcess } from './process';
import { Failures, Name, Panel } from './parts';

const POLL_S = 3;
const MAX_PROCESSES = 500;

export function Processes({ live, place }: ViewProps): JSX.Element {
  const answer = usePolled<ProcessPage>(withQuery('api/processes', { limit: MAX_PROCESSES }), live, POLL_S);
  const sums = byProcess(live.book.all(), live.now);
  const all = answer?.processes ?? [];
  if (place.select) return <OneProcess key={place.select} live={live} place={place} all={all} />;
  const keyOf = (p: Process): string => processKey(p.pid, p.start_time);
  const shown = place.filter ? all.filter((p) => sums.has(keyOf(p))) : all;
  const note = answer && `${count(shown.length)}${answer.next_cursor ? ' most recently known' : ''}${place.filter ? ' with flows that the filter selects' : ''}`;
  return (
    <Panel title="Processes" kind="wide tall" note={note}>
      <Table label="Processes" columns={columns(sums)} rows={shown} id={keyOf} place={place} order="-rate" isMain
        href={(p) => link(place, { select: keyOf(p) })} empty="No process has a flow yet." />
    </Panel>
  );
}

function columns(sums: Map<string, Sums>): Column<Process>[] {
  const rateOf = (p: Process): number => sums.get(processKey(p.pid, p.start_time))?.rate ?? 0;
  const startedBy = (p: Process): string => parents(p.ancestors ?? '').slice(0, 3).map((a) => clean(a.name)).join(' ‹ ');
  return [
    { key: 'name', label: 'Process', value: (p) => p.name, cell: (p) => <Name text={p.name} /> },
    { key: 'pid', label: 'PID', isNumber: true, value: (p) => p.pid, cell: (p) => p.pid },
    { key: 'user', label: 'User', value: (p) => p.user, cell: (p) => <Name text={p.user} /> },
    { key: 'parent', label: 'Started by', value: startedBy, cell: (p) => <Name text={startedBy(p)} />, title: 'Its parents, the nearest first' },
    { key: 'workload', label: 'Runs in', isExtra: true, value: workload, cell: (p) => <Name text={workload(p)} />, title: 'Pod, container or unit' },
    { key: 'cpu', label: 'CPU', isNumber: true, value: (p) => p.cpu_percent ?? -1, cell: (p) => percent(p.cpu_percent), title: 'Of one processor, during its latest flow' },
    { key: 'memory', label: 'Memory', isNumber: true, value: (p) => p.memory_actual ?? -1, cell: (p) => (p.memory_actual === undefined ? '–' : bytes(p.memory_actual)) },
    { key: 'flows', label: 'Flows', isNumber: true, isExtra: true, value: (p) => p.flows, cell: (p) => count(p.flows) },
    { key: 'failures', label: 'Failed', isNumber: true, value: (p) => p.failures, cell: (p) => <Failures n={p.failures} />, title: 'Its connection attempts that failed' },
    { key: 'sent', label: 'Sent', isNumber: true, value: (p) => p.bytes_sent, cell: (p) => bytes(p.bytes_sent) },
    { key: 'received', label: 'Received', isNumber: true, value: (p) => p.bytes_received, cell: (p) => bytes(p.bytes_received) },
    { key: 'rate', label: 'Rate', isNumber: true, value: rateOf, cell: (p) => <span class={rateOf(p) >= 0.5 ? 'busy' : 'muted'}>{rate(rateOf(p))}</span> },
    { key: 'seen', label: 'Last flow', isNumber: true, isExtra: true, value: (p) => p.last_seen, cell: (p) => clock(p.last_seen) },
  ];
}
