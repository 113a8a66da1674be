// Requests to the agent, with the token if there is one.

const TOKEN_KEY = 'pidflow-token';

/** The token is kept until the tab is closed, and never becomes part of an address. */
export const token = {
  get: (): string => sessionStorage.getItem(TOKEN_KEY) ?? '',
  set: (value: string): void => sessionStorage.setItem(TOKEN_KEY, value),
  forget: (): void => sessionStorage.removeItem(TOKEN_KEY),
};

/** A refusal: the agent's line says why. */
export class Refused extends Error {
  constructor(readonly status: number, line: string, readonly retryAfter: number) {
    super(line);
  }
}

/** Requests a page; throws `Refused`, or a `TypeError` if no answer comes. */
export async function request(path: string, signal?: AbortSignal): Promise<Response> {
  const headers: HeadersInit = token.get() ? { Authorization: `Bearer ${token.get()}` } : {};
  const answer = await fetch(path, { headers, signal, cache: 'no-store', credentials: 'omit', redirect: 'error' });
  if (answer.ok) return answer;
  const line = (await answer.text()).trim().slice(0, 1000);
  throw new Refused(answer.status, line, Number(answer.headers.get('Retry-After') ?? 0));
}

export async function json<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request(path, signal)).json() as Promise<T>;
}

/** A path with parameters; empty ones are left out. */
export function withQuery(path: string, parameters: { [name: string]: string | number | undefined }): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== '');
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return query ? `${path}?${query}` : path;
}
