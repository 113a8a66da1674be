// The frame around all views: what is watched, how the agent is, the filter.
import { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { token } from './api';
import { useLive, usePlace } from './hooks';
import { Live } from './live';
import { clean, clock, count } from './text';
import { switchTheme, useTheme } from './theme';
import { go, link, Place, View, VIEWS } from './url';
import { Flows } from './views/flows';
import { Health } from './views/health';
import { History } from './views/history';
import { Hosts } from './views/hosts';
import { Overview } from './views/overview';
import { Processes } from './views/processes';
import { Users } from './views/users';

export interface ViewProps {
  live: Live;
  place: Place;
}

const SHOWN: { [view in View]: (props: ViewProps) => JSX.Element } = {
  overview: Overview, flows: Flows, processes: Processes, hosts: Hosts, users: Users, health: Health, history: History,
};
const TITLES: { [view in View]: string } = {
  overview: 'Overview', flows: 'Flows', processes: 'Processes', hosts: 'Hosts', users: 'Users', health: 'Agent', history: 'History',
};

export function App({ live }: { live: Live }): JSX.Element {
  useLive(live);
  const place = usePlace();
  useEffect(() => live.select(place.filter), [live, place.filter]);
  useEffect(() => {
    document.title = `${TITLES[place.view]} · ${live.status ? clean(live.status.host) : 'pidflow'}`;
  }, [place.view, live.status?.host]);
  useKeys(live, place);
  const Shown = SHOWN[place.view];
  const needsToken = live.connection.state === 'token';
  return (
    <>
      <a class="skip" href="#content" onClick={skip}>Skip to the content</a>
      <Header live={live} place={place} />
      <Notices live={live} />
      <main id="content" tabIndex={-1} class={needsToken ? 'narrow' : `view-${place.view}`}>
        <h1 class="unseen">{TITLES[place.view]}</h1>
        {needsToken ? <TokenForm live={live} place={place} /> : <Shown live={live} place={place} />}
      </main>
    </>
  );
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('content')?.focus();
}

function Header({ live, place }: { live: Live; place: Place }): JSX.Element {
  const theme = useTheme();
  return (
    <header>
      <div class="brand">
        <img src="./icon.svg" alt="" width="20" height="20" />
        <b>pidflow</b>
        {live.status && <span class="host">{clean(live.status.host)}</span>}
      </div>
      <nav aria-label="Views">
        {VIEWS.map((view, i) => (
          <a href={link(place, { view })} aria-current={view === place.view ? 'page' : undefined} title={`Key ${i + 1}`}>{TITLES[view]}</a>
        ))}
      </nav>
      <Pill live={live} place={place} />
      <Filter live={live} place={place} />
      <button type="button" aria-pressed={live.isPaused} onClick={() => live.hold(!live.isPaused)} title="Key Space">{live.isPaused ? 'Go on' : 'Hold'}</button>
      <button type="button" onClick={switchTheme} aria-label={theme === 'dark' ? 'Light colours' : 'Dark colours'}>{theme === 'dark' ? '☀' : '☾'}</button>
    </header>
  );
}

/** How the agent and the connection to it are, in a word. */
function Pill({ live, place }: { live: Live; place: Place }): JSX.Element {
  const [kind, word] = verdict(live);
  return <a class={`pill ${kind}`} href={link(place, { view: 'health' })} title="How the agent is">{word}</a>;
}

function verdict(live: Live): ['good' | 'warn' | 'bad' | 'quiet', string] {
  const { state } = live.connection;
  if (state === 'lost' || state === 'refused') return ['bad', 'no answer'];
  if (!live.status) return ['quiet', '…'];
  if (live.status.not_ready.length > 0) return ['bad', 'not ready'];
  if (live.status.degraded.length > 0) return ['warn', 'degraded'];
  return live.isPaused ? ['quiet', 'held'] : ['good', 'ready'];
}

function Filter({ live, place }: { live: Live; place: Place }): JSX.Element {
  const [text, setText] = useState(place.filter);
  useEffect(() => setText(place.filter), [place.filter]);
  const isWrong = live.connection.state === 'wrong';
  const submit = (event: Event): void => {
    event.preventDefault();
    go({ ...place, filter: text.trim() });
  };
  return (
    <form class="filter" role="search" onSubmit={submit}>
      <label class="unseen" for="filter">Filter</label>
      <input
        id="filter" type="text" value={text} spellcheck={false} autocomplete="off" maxLength={2048} placeholder='Filter: process == "curl" && dst.port == 443   ( / )'
        onInput={(e) => setText(e.currentTarget.value)} aria-invalid={isWrong} aria-describedby="filter-error"
      />
      {place.filter && <button type="button" aria-label="Remove the filter" onClick={() => go({ ...place, filter: '' })}>✕</button>}
    </form>
  );
}

function Notices({ live }: { live: Live }): JSX.Element {
  const { connection, status } = live;
  const isStale = status && (connection.state === 'lost' || connection.state === 'refused');
  return (
    <div class="notices" aria-live="polite">
      {connection.state === 'wrong' && <p class="bad" id="filter-error">{clean(connection.line)}</p>}
      {(connection.state === 'lost' || connection.state === 'refused') && (
        <p class="bad">{`${clean(connection.line)}${isStale ? `; what is shown is from ${clock(status.time)}` : ''}. Trying again.`}</p>
      )}
      {live.missed > 0 && <p class="warn">{`${count(live.missed)} records came too fast to be shown here. A filter makes them fewer.`}</p>}
    </div>
  );
}

function TokenForm({ live, place }: { live: Live; place: Place }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const wasWrong = token.get() !== '';
  useEffect(() => input.current?.focus(), []);
  const submit = (event: Event): void => {
    event.preventDefault();
    token.set(input.current!.value.trim());
    live.select(place.filter);
  };
  return (
    <form class="panel token" onSubmit={submit}>
      <h2>Token</h2>
      <p>This agent answers only with its token, which is in the file given with <code>--token-file</code>.</p>
      {wasWrong && <p class="error" role="alert">This was not the token of the agent.</p>}
      <label for="token">Token</label>
      <input id="token" type="password" ref={input} required autocomplete="off" spellcheck={false} />
      <button type="submit">Continue</button>
      <p class="muted">It is kept until you close this tab.</p>
    </form>
  );
}

function useKeys(live: Live, place: Place): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const isTyping = event.target instanceof Element && event.target.closest('input, textarea, select');
      if (isTyping || event.ctrlKey || event.altKey || event.metaKey) return;
      const view = VIEWS[Number(event.key) - 1];
      const isOnControl = event.target instanceof Element && event.target.closest('button, a');
      if (view) location.hash = link(place, { view });
      else if (event.key === '/') document.getElementById('filter')?.focus();
      else if (event.key === ' ' && !isOnControl) live.hold(!live.isPaused);
      else if (event.key === 'Escape' && place.select) go({ ...place, select: '' });
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, [live, place]);
}
