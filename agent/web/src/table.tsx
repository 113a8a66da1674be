// A table that can be sorted by any column, and opened with mouse or keyboard.
import { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { go, Place } from './url';

const FIRST_ROWS = 100;
const MORE_ROWS = 400;

export interface Column<T> {
  /** Its name in the address. */
  key: string;
  label: string;
  /** What the column is sorted by; numbers begin with the greatest. */
  value: (row: T) => number | string;
  cell?: (row: T) => ComponentChildren;
  isNumber?: boolean;
  /** Left out where there is little room. */
  isExtra?: boolean;
  title?: string;
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  id: (row: T) => string;
  /** The address that a row opens. */
  href?: (row: T) => string;
  place: Place;
  /** The order without one in the address: a column, `-` before it for the greatest first; empty: that of the rows. */
  order: string;
  /** Whether the address has this table's order; otherwise the table keeps its own. */
  isMain?: boolean;
  rowClass?: (row: T) => string;
  /** What stands there without rows. */
  empty: string;
}

function sorted<T>(rows: T[], columns: Column<T>[], order: string): T[] {
  const [isDown, key] = order.startsWith('-') ? [true, order.slice(1)] : [false, order];
  const column = columns.find((c) => c.key === key);
  if (!column) return rows;
  const compare = (a: number | string, b: number | string): number =>
    typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true });
  const keyed = rows.map((row) => ({ row, value: column.value(row) }));
  keyed.sort((a, b) => (isDown ? -1 : 1) * compare(a.value, b.value));
  return keyed.map((k) => k.row);
}

/** Moves between rows with the arrow keys. */
function step(event: KeyboardEvent & { currentTarget: HTMLTableSectionElement }): void {
  const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
  if (by === 0) return;
  const links = [...event.currentTarget.querySelectorAll<HTMLAnchorElement>('tr > :first-child a')];
  const at = links.findIndex((link) => link.closest('tr')?.contains(document.activeElement));
  const next = links[at + by];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

export function Table<T>(props: Props<T>): JSX.Element {
  const { columns, rows, place, isMain } = props;
  const [own, setOwn] = useState(props.order);
  const [most, setMost] = useState(FIRST_ROWS);
  const order = isMain ? place.sort || props.order : own;
  const setOrder = (next: string): void => (isMain ? go({ ...place, sort: next }, true) : setOwn(next));
  const shown = sorted(rows, columns, order).slice(0, most);
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={props.label}>
      <table aria-label={props.label}>
        <thead>
          <tr>{columns.map((c) => <Head column={c} order={order} setOrder={setOrder} />)}</tr>
        </thead>
        <tbody onKeyDown={step}>
          {shown.map((row) => <Row key={props.id(row)} row={row} {...props} />)}
          {rows.length === 0 && <tr class="empty"><td colSpan={columns.length}>{props.empty}</td></tr>}
        </tbody>
      </table>
      {rows.length > most && (
        <button type="button" class="more" onClick={() => setMost(most + MORE_ROWS)}>
          {`${rows.length - most} more rows: show ${Math.min(MORE_ROWS, rows.length - most)}`}
        </button>
      )}
    </div>
  );
}

function Head<T>({ column, order, setOrder }: { column: Column<T>; order: string; setOrder: (order: string) => void }): JSX.Element {
  const [isUp, isDown] = [order === column.key, order === `-${column.key}`];
  const first = column.isNumber ? `-${column.key}` : column.key;
  const other = column.isNumber ? column.key : `-${column.key}`;
  return (
    <th scope="col" aria-sort={isUp ? 'ascending' : isDown ? 'descending' : 'none'} class={classes(column)} title={column.title}>
      <button type="button" onClick={() => setOrder(order === first ? other : first)}>
        {column.label}
        <span class="order" aria-hidden="true">{isUp ? '▲' : isDown ? '▼' : ''}</span>
      </button>
    </th>
  );
}

function classes<T>(column: Column<T>): string {
  return [column.isNumber ? 'number' : '', column.isExtra ? 'extra' : ''].join(' ').trim();
}

function Row<T>({ row, columns, href, place, id, rowClass }: Props<T> & { row: T }): JSX.Element {
  const target = href?.(row);
  const isSelected = place.select !== '' && place.select === id(row);
  const open = (event: MouseEvent): void => {
    const isLink = event.target instanceof Element && event.target.closest('a, button');
    if (target && !isLink && String(getSelection()) === '') location.hash = target;
  };
  return (
    <tr class={[rowClass?.(row) ?? '', target ? 'opens' : '', isSelected ? 'selected' : ''].join(' ').trim()} onClick={open}>
      {columns.map((c, i) => {
        const content = c.cell ? c.cell(row) : c.value(row);
        return <td class={classes(c)}>{i === 0 && target ? <a href={target} aria-current={isSelected ? 'true' : undefined}>{content}</a> : content}</td>;
      })}
    </tr>
  );
}
