// Light or dark: as the system has it, unless the reader chose.
import { useEffect, useState } from 'preact/hooks';

export type Theme = 'light' | 'dark';

const KEY = 'pidflow-theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const changed = new EventTarget();

export function theme(): Theme {
  const chosen = localStorage.getItem(KEY);
  return chosen === 'light' || chosen === 'dark' ? chosen : system.matches ? 'dark' : 'light';
}

export function applyTheme(): void {
  document.documentElement.dataset.theme = theme();
  changed.dispatchEvent(new Event('change'));
}

export function switchTheme(): void {
  const next = theme() === 'dark' ? 'light' : 'dark';
  // What the system has anyway need not be remembered.
  if (next === (system.matches ? 'dark' : 'light')) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, next);
  applyTheme();
}

system.addEventListener('change', applyTheme);

export function useTheme(): Theme {
  const [now, setNow] = useState(theme());
  useEffect(() => {
    const read = (): void => setNow(theme());
    changed.addEventListener('change', read);
    return () => changed.removeEventListener('change', read);
  }, []);
  return now;
}
