// What is shown, as the part of the address behind `#`: it can be shared, and no server ever sees it.

export const VIEWS = ['overview', 'flows', 'processes', 'hosts', 'users', 'health', 'history'] as const;
export type View = (typeof VIEWS)[number];

/** What is shown. */
export interface Place {
  view: View;
  /** An expression; empty: everything. */
  filter: string;
  /** A column, with `-` before it for the greatest first; empty: the view's own order. */
  sort: string;
  /** What is selected or opened in the view: a flow, or `pid.start` of a process. */
  select: string;
  /** Of the history: how long ago (`1h`), or when, as RFC 3339; empty: the view's own. */
  since: string;
  /** Of the history: when, as RFC 3339; empty: now. */
  until: string;
}

export function parse(hash: string): Place {
  const [path, query] = hash.replace(/^#/, '').split('?', 2);
  const view = VIEWS.find((v) => v === path) ?? 'overview';
  const fields = new URLSearchParams(query ?? '');
  const field = (name: string): string => fields.get(name) ?? '';
  return { view, filter: field('filter'), sort: field('sort'), select: field('select'), since: field('since'), until: field('until') };
}

export function format(place: Place): string {
  const fields = new URLSearchParams();
  for (const name of ['filter', 'sort', 'select', 'since', 'until'] as const) if (place[name]) fields.set(name, place[name]);
  const query = fields.toString();
  return `#${place.view}${query && `?${query}`}`;
}

/** The address of another place: of another view without its order, selection and time. */
export function link(from: Place, to: Partial<Place>): string {
  const isOther = to.view !== undefined && to.view !== from.view;
  return format({ ...from, ...(isOther ? { sort: '', select: '', since: '', until: '' } : {}), ...to });
}

export function go(to: Place, replaces = false): void {
  const hash = format(to);
  if (hash === location.hash) return;
  if (replaces) history.replaceState(null, '', hash);
  else history.pushState(null, '', hash);
  dispatchEvent(new HashChangeEvent('hashchange'));
}
