// Addresses, and what they send and receive.
import { JSX } from 'preact';
import { ViewProps } from '../app';
import { HostRow, hosts } from '../rows';
import { Column, Table } from '../table';
import { bytes, clock, count } from '../text';
import { link } from '../url';
import { both, bytesColumn, endIs, failuresColumn, Name, Panel, rateColumn, some } from './parts';

const COLUMNS: Column<HostRow>[] = [
  { key: 'address', label: 'Address', value: (h) => h.id },
  { key: 'name', label: 'Name', value: (h) => some(h.names), cell: (h) => <Name text={some(h.names, 2)} />, title: 'Names that clients asked for' },
  { key: 'processes', label: 'Processes', value: (h) => h.processes.size, isNumber: false, cell: (h) => <Name text={some(h.processes)} />, title: 'Processes of its flows, on this host' },
  { key: 'services', label: 'Serves', isExtra: true, value: (h) => h.services.size, cell: (h) => some(h.services, 4) },
  { key: 'flows', label: 'Flows', isNumber: true, value: (h) => h.flows, cell: (h) => count(h.flows) },
  failuresColumn(),
  { key: 'sent', label: 'Sent', isNumber: true, value: (h) => h.sent, cell: (h) => bytes(h.sent) },
  { key: 'received', label: 'Received', isNumber: true, value: (h) => h.received, cell: (h) => bytes(h.received) },
  bytesColumn(),
  rateColumn(),
  { key: 'last', label: 'Last', isNumber: true, isExtra: true, value: (h) => h.last, cell: (h) => clock(h.last) },
];

export function Hosts({ live, place }: ViewProps): JSX.Element {
  const flows = live.book.all();
  return (
    <Panel title="Hosts" kind="wide tall" note={`of the latest ${count(flows.length)} flows`}>
      <Table label="Hosts" columns={COLUMNS} rows={hosts(flows, live.now)} id={(h) => h.id} place={place} order="-rate" isMain
        href={(h) => link(place, { view: 'flows', filter: both(place.filter, endIs('', h.id, false)) })} empty="No flow yet." />
    </Panel>
  );
}
