// How the agent itself is: what it cannot see, what it lost, where every packet is.
import { JSX } from 'preact';
import { ViewProps } from '../app';
import { usePolled } from '../hooks';
import { Ledger } from './ledger';
import { Counts, Exporter, Loss, Status } from '../status';
import { Column, Table } from '../table';
import { bytes, clean, count, duration } from '../text';
import { Facts, Name, Panel } from './parts';

const POLL_S = 2;

export function Health({ live, place }: ViewProps): JSX.Element {
  const ledger = usePolled<Ledger | null>('api/ledger', live, POLL_S);
  const { status } = live;
  if (!status) return <Panel title="Agent"><p class="muted">Reading…</p></Panel>;
  const unselected = { ...place, select: '' };
  return (
    <>
      <div class="columns even">
        <State status={status} />
        <Panel title="Losses since the start" note={status.losses.length === 0 ? 'none' : undefined}>
          <Table label="Losses" columns={LOSSES} rows={status.losses} id={(l) => `${l.stage} ${l.what} ${l.reason}`} place={unselected} order="-total" empty="Nothing was lost." rowClass={() => 'failed'} />
        </Panel>
      </div>
      <Panel title="Ledger" note="where every packet is">{ledger ? <Ledger ledger={ledger} /> : <p class="muted">Nothing was counted yet.</p>}</Panel>
      <div class="columns even">
        <Panel title="How each fact is collected">
          <Facts facts={Object.entries(status.hooks).map(([fact, way]) => [fact, way === 'none' ? <b class="warn">none</b> : <Name text={way} />])} />
        </Panel>
        <Panel title="Exporters">
          <Table label="Exporters" columns={EXPORTERS} rows={status.exporters} id={(e) => e.name} place={unselected} order="name" empty="No exporter is configured." />
        </Panel>
      </div>
      <div class="columns even">
        <CountsPanel title="Packets in no flow" counts={status.discards} />
        <CountsPanel title="Tables" counts={status.tables} />
        <CountsPanel title="Queues" counts={status.queues} />
        <CountsPanel title="Self-tests" counts={status.self_tests} />
      </div>
    </>
  );
}

function State({ status: s }: { status: Status }): JSX.Element {
  const isReady = s.not_ready.length === 0;
  const restarts = Object.entries(s.thread_restarts).filter(([, n]) => n > 0).map(([thread, n]) => `${thread} ${n}`).join(', ');
  return (
    <Panel title="State" note={isReady ? <b class={s.degraded.length > 0 ? 'warn' : 'good'}>{s.degraded.length > 0 ? 'ready, degraded' : 'ready'}</b> : <b class="bad">not ready</b>}>
      {s.not_ready.map((line) => <p class="bad">{clean(line)}</p>)}
      {s.degraded.map((line) => <p class="warn">{clean(line)}</p>)}
      {isReady && s.degraded.length === 0 && <p>Everything is attached and running.</p>}
      <Facts facts={[
        ['Version', s.version], ['Runs for', duration(s.seconds * 1000)], ['Packets', count(s.packets)], ['Bytes', bytes(s.bytes)], ['Records', count(s.records)],
        ['Flows now', count(s.active_flows)], ['Attributed', s.attributable > 0 ? `${count(s.attributed)} of ${count(s.attributable)} local ends` : undefined],
        ['Lost', count(s.lost)], ['Restarted', restarts],
      ]} />
    </Panel>
  );
}

function CountsPanel({ title, counts }: { title: string; counts: Counts }): JSX.Element {
  const known = Object.entries(counts).filter(([, n]) => n > 0);
  return (
    <Panel title={title}>
      {known.length === 0 ? <p class="muted">None.</p> : <Facts facts={known.map(([label, n]) => [clean(label), count(n)])} />}
    </Panel>
  );
}

const LOSSES: Column<Loss>[] = [
  { key: 'stage', label: 'Where', value: (l) => l.stage, cell: (l) => <Name text={l.stage} /> },
  { key: 'what', label: 'What', value: (l) => l.what },
  { key: 'reason', label: 'Why', value: (l) => l.reason, cell: (l) => <Name text={l.reason} /> },
  { key: 'total', label: 'Number', isNumber: true, value: (l) => l.total, cell: (l) => count(l.total) },
];

const EXPORTERS: Column<Exporter>[] = [
  { key: 'name', label: 'Exporter', value: (e) => e.name, cell: (e) => <Name text={e.name} /> },
  { key: 'records', label: 'Sent', isNumber: true, value: (e) => e.records, cell: (e) => count(e.records) },
  { key: 'queue', label: 'Waiting', isNumber: true, value: (e) => e.queue + e.spooled, cell: (e) => count(e.queue + e.spooled) },
  { key: 'filtered', label: 'Left out', isNumber: true, value: (e) => e.filtered, cell: (e) => count(e.filtered), title: 'By its filter' },
  { key: 'lost', label: 'Lost', isNumber: true, value: (e) => e.lost, cell: (e) => (e.lost > 0 ? <b class="bad">{count(e.lost)}</b> : '–') },
];
