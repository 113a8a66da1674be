// Text and figures as people read them. Names come from processes and packets: what could deceive a reader is replaced.

/** Control characters, marks of writing direction, invisible characters, private use, line separators. */
const DECEIVING = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;
/** More than two marks on one character would cover the lines around it. */
const MARKS = /(\p{M}{2})\p{M}+/gu;

/** The text without characters that are not shown or change how others are shown. */
export function clean(text: string): string {
  return text.replace(DECEIVING, '?').replace(MARKS, '$1');
}

/** At most so many characters, shortened in the middle. */
export function short(text: string, most: number): string {
  const characters = [...text];
  if (characters.length <= most) return text;
  const head = Math.ceil((most - 1) * 0.6);
  return characters.slice(0, head).join('') + '…' + characters.slice(characters.length - (most - 1 - head)).join('');
}

const UNITS = ['', 'k', 'M', 'G', 'T', 'P'];

function scaled(n: number): string {
  let unit = 0;
  while (n >= 999.5 && unit < UNITS.length - 1) {
    n /= 1000;
    unit += 1;
  }
  const digits = unit === 0 ? (n < 10 && !Number.isInteger(n) ? 1 : 0) : n < 10 ? 1 : 0;
  return `${n.toFixed(digits)} ${UNITS[unit]}`;
}

/** `1.2 MB` */
export const bytes = (n: number): string => `${scaled(n)}B`;
/** `1.2 MB/s`; nothing for no traffic */
export const rate = (n: number): string => (n < 0.5 ? '–' : `${scaled(n)}B/s`);
/** `12,345` */
export const count = (n: number): string => Math.round(n).toLocaleString('en');
/** `1.2 k` */
export const about = (n: number): string => (n < 1000 ? String(Math.round(n)) : scaled(n).trim());
/** `12.3 %`; unknown: a dash */
export const percent = (n: number | undefined): string => (n === undefined ? '–' : `${n < 10 ? n.toFixed(1) : Math.round(n)} %`);

/** A duration in milliseconds: `12 ms`, `3.4 s`, `5 m 10 s`, `2 h 5 m`, `3 d 4 h` */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  const [m, h, d] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86400)];
  if (h === 0) return `${m} m ${Math.floor(s % 60)} s`;
  return d === 0 ? `${h} h ${m % 60} m` : `${d} d ${h % 24} h`;
}

const two = (n: number): string => String(n).padStart(2, '0');

/** Local time: `14:05:09` */
export function clock(ms: number): string {
  const t = new Date(ms);
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}

/** Local date and time: `2026-11-29 14:05:09` */
export function moment(ms: number): string {
  const t = new Date(ms);
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${clock(ms)}`;
}

/** A text as a constant of the expression language. */
export function quoted(text: string): string {
  const escaped = text.replace(/[\\"]/g, '\\$&').replace(/[\u0000-\u001f\u007f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return `"${escaped}"`;
}
