// What components need again and again.
import { useEffect, useState } from 'preact/hooks';
import { json, Refused } from './api';
import { Live } from './live';
import { parse, Place } from './url';

/** The place that the address names. */
export function usePlace(): Place {
  const [place, setPlace] = useState(() => parse(location.hash));
  useEffect(() => {
    const read = (): void => setPlace(parse(location.hash));
    addEventListener('hashchange', read);
    addEventListener('popstate', read);
    return () => {
      removeEventListener('hashchange', read);
      removeEventListener('popstate', read);
    };
  }, []);
  return place;
}

/** Draws again whenever something came from the agent. */
export function useLive(live: Live): void {
  const [, setDrawn] = useState(0);
  useEffect(() => live.subscribe(() => setDrawn((n) => n + 1)), [live]);
}

/** A page of the API, read again every few seconds; undefined until it is there. */
export function usePolled<T>(path: string | undefined, live: Live, seconds: number): T | undefined {
  const [value, setValue] = useState<{ path: string; value: T }>();
  useEffect(() => {
    if (path === undefined) return undefined;
    const stopping = new AbortController();
    const read = (): void => {
      if (document.hidden || live.isPaused || live.connection.state === 'token') return;
      json<T>(path, stopping.signal).then((read) => setValue({ path, value: read }), () => undefined);
    };
    read();
    const timer = setInterval(read, seconds * 1000);
    return () => {
      clearInterval(timer);
      stopping.abort();
    };
  }, [path, live, seconds, live.connection.state === 'live']);
  return value?.path === path ? value?.value : undefined;
}

/** As `usePolled`, with the line of a refusal. */
export function useAnswer<T>(path: string, live: Live, seconds: number): { value?: T; line?: string } {
  const [answer, setAnswer] = useState<{ value?: T; line?: string }>({});
  useEffect(() => {
    const stopping = new AbortController();
    const read = (): void => {
      if (document.hidden || live.isPaused || live.connection.state === 'token') return;
      json<T>(path, stopping.signal).then(
        (value) => setAnswer({ value }),
        (error: unknown) => { if (error instanceof Refused) setAnswer({ line: error.message }); },
      );
    };
    read();
    const timer = setInterval(read, seconds * 1000);
    return () => {
      clearInterval(timer);
      stopping.abort();
    };
  }, [path, live, seconds, live.connection.state === 'live']);
  return answer;
}
