// `/api/ledger`: where every packet is.
import { JSX } from 'preact';
import { bytes, clean, count } from '../text';
import { Facts } from './parts';

interface Amount {
  packets: number;
  bytes: number;
}

interface Account {
  name: string;
  kernel: { amount?: Amount; packets?: number; bytes?: number } | null;
  received: number | null;
  dropped: number;
  unread: number;
  captured: Amount;
  in_flows: Amount;
  discarded: { [reason: string]: Amount };
  to_count: Amount;
  missed: number;
  is_merged: boolean;
}

interface End {
  attributed: { [attribution: string]: Amount };
  not_attributed: { [attribution: string]: Amount };
}

export interface Ledger {
  interfaces: Account[];
  total: Account;
  flows: { in_flows: Amount; from_others: Amount; in_table: Amount; to_join: Amount; in_records: Amount };
  ends: { [end: string]: End };
  gaps: { check: string; of: string; amount?: Amount; packets?: number }[];
}

export function Ledger({ ledger }: { ledger: Ledger }): JSX.Element {
  const shown = ledger.interfaces.filter((i) => i.kernel !== null || i.captured.packets > 0);
  return (
    <>
      {ledger.gaps.length === 0
        ? <p class="good">Every packet is accounted for.</p>
        : ledger.gaps.map((gap) => <p class="bad">{`Does not balance: ${gap.check} of ${clean(gap.of)}, ${count(gap.amount?.packets ?? gap.packets ?? 0)} packets`}</p>)}
      <div class="scroll" tabIndex={0} role="region" aria-label="Packets by interface">
        <table aria-label="Packets by interface">
          <thead><tr>{['Interface', 'Kernel', 'Captured', 'Bytes', 'Dropped', 'Missed', 'In flows', 'Discarded'].map((head, i) => <th scope="col" class={i > 0 ? 'number' : ''}>{head}</th>)}</tr></thead>
          <tbody>{[...shown, { ...ledger.total, name: 'all together' }].map((account) => <Interface account={account} />)}</tbody>
        </table>
      </div>
      <div class="columns even">
        <div>
          <h3>Flows</h3>
          <Facts facts={[['In flows', amount(ledger.flows.in_flows)], ['In records', amount(ledger.flows.in_records)], ['In the table', amount(ledger.flows.in_table)], ['Waiting for their processes', amount(ledger.flows.to_join)]]} />
        </div>
        {['source', 'destination'].map((end) => ledger.ends[end] && <Attribution name={end} end={ledger.ends[end]} />)}
      </div>
    </>
  );
}

const amount = (a: Amount): string => `${count(a.packets)} packets, ${bytes(a.bytes)}`;

function Interface({ account: a }: { account: Account }): JSX.Element {
  const ofSocket = (n: number): string => (a.received === null ? '–' : count(n));
  const discarded = Object.values(a.discarded).reduce((sum, d) => sum + d.packets, 0);
  const cells = [
    a.kernel === null ? '–' : count(a.kernel.amount?.packets ?? a.kernel.packets ?? 0), count(a.captured.packets), bytes(a.captured.bytes), ofSocket(a.dropped + a.unread),
    a.is_merged ? `(${count(a.missed)})` : ofSocket(a.missed), count(a.in_flows.packets), count(discarded),
  ];
  const isBad = (i: number): boolean => (i === 3 && a.dropped + a.unread > 0) || (i === 4 && a.missed > 0 && !a.is_merged);
  return <tr><th scope="row">{clean(a.name)}</th>{cells.map((cell, i) => <td class={isBad(i) ? 'number bad' : 'number'}>{cell}</td>)}</tr>;
}

function Attribution({ name, end }: { name: string; end: End }): JSX.Element {
  const rows = (all: { [attribution: string]: Amount }): [string, string][] => Object.entries(all).map(([how, a]) => [clean(how), `${count(a.packets)} packets`]);
  return (
    <div>
      <h3>{name === 'source' ? 'Sources: process known by' : 'Destinations: process known by'}</h3>
      <Facts facts={[...rows(end.attributed), ...rows(end.not_attributed).map(([how, n]): [string, JSX.Element] => [how, <span class="muted">{`${n}, no process`}</span>])]} />
    </div>
  );
}
