// Users, and what their processes do.
import { JSX } from 'preact';
import { ViewProps } from '../app';
import { withQuery } from '../api';
import { usePolled } from '../hooks';
import { ProcessPage } from '../process';
import { processKey, UserRow, users } from '../rows';
import { Column, Table } from '../table';
import { bytes, clock, count, percent, quoted } from '../text';
import { link } from '../url';
import { both, bytesColumn, failuresColumn, Name, Panel, rateColumn, some } from './parts';

const POLL_S = 3;

const COLUMNS: Column<UserRow>[] = [
  { key: 'user', label: 'User', value: (u) => u.id, cell: (u) => <Name text={u.id} /> },
  { key: 'processes', label: 'Processes', isNumber: true, value: (u) => u.processes.size, cell: (u) => count(u.processes.size) },
  { key: 'names', label: 'Names', value: (u) => some(u.names), cell: (u) => <Name text={some(u.names, 5)} /> },
  { key: 'cpu', label: 'CPU', isNumber: true, value: (u) => u.cpu, cell: (u) => percent(u.cpu), title: 'Of one processor, during the latest flow of each process' },
  { key: 'memory', label: 'Memory', isNumber: true, value: (u) => u.memory, cell: (u) => bytes(u.memory) },
  { key: 'flows', label: 'Flows', isNumber: true, value: (u) => u.flows, cell: (u) => count(u.flows) },
  failuresColumn(),
  { key: 'sent', label: 'Sent', isNumber: true, isExtra: true, value: (u) => u.sent, cell: (u) => bytes(u.sent) },
  { key: 'received', label: 'Received', isNumber: true, isExtra: true, value: (u) => u.received, cell: (u) => bytes(u.received) },
  bytesColumn(),
  rateColumn(),
  { key: 'last', label: 'Last', isNumber: true, isExtra: true, value: (u) => u.last, cell: (u) => clock(u.last) },
];

export function Users({ live, place }: ViewProps): JSX.Element {
  const answer = usePolled<ProcessPage>(withQuery('api/processes', { limit: 500 }), live, POLL_S);
  const flows = live.book.all();
  const rows = users(flows, live.now);
  const used = new Map((answer?.processes ?? []).map((p) => [processKey(p.pid, p.start_time), p]));
  for (const row of rows) {
    for (const key of row.processes) {
      row.cpu += used.get(key)?.cpu_percent ?? 0;
      row.memory += used.get(key)?.memory_actual ?? 0;
    }
  }
  return (
    <Panel title="Users" kind="wide tall" note={`of the latest ${count(flows.length)} flows`}>
      <Table label="Users" columns={COLUMNS} rows={rows} id={(u) => u.id} place={place} order="-rate" isMain
        href={(u) => link(place, { view: 'flows', filter: both(place.filter, `user == ${quoted(u.id)}`) })} empty="No process has a flow yet." />
    </Panel>
  );
}
