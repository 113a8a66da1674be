// What Grafana puts for variables, in queries and in links.
import { rangeUtil } from '@grafana/data';

/** The value of an interval variable that is set to auto. */
export function automatic(variable, { from, to }) {
  const seconds = (to - from) / 1000 / variable.auto_count;
  return `${Math.round(Math.max(seconds, rangeUtil.intervalToSeconds(variable.auto_min)))}s`;
}

/** PromQL of a panel: variables of the dashboard, and the times that Grafana computes. */
export function fillQuery(expr, { variables, scrapeSeconds, stepSeconds, from, to }) {
  const times = {
    __rate_interval: `${Math.max(stepSeconds + scrapeSeconds, 4 * scrapeSeconds)}s`,
    __range: `${Math.round((to - from) / 1000)}s`,
  };
  return expr.replace(/\$(\w+)/g, (whole, name) => times[name] ?? variables[name] ?? whole);
}

/** `replaceVariables` of Grafana's libraries, for links: `${name}`, `${name:queryparam}`, `${__data.fields.NAME:percentencode}`. */
export function replacer({ variables, from, to }) {
  return (text, scoped) => text.replace(/\$\{([\w.]+)(?::(\w+))?\}/g, (whole, name, format) => {
    if (name === '__url_time_range') return `from=${from}&to=${to}`;
    if (name.startsWith('__data.fields.')) {
      const { frame, rowIndex } = scoped.__dataContext.value;
      const field = frame.fields.find((f) => f.name === name.slice('__data.fields.'.length));
      // Unless told otherwise Grafana encodes a link as a whole, which leaves & + # as they are.
      return field ? (format === 'percentencode' ? encodeURIComponent : encodeURI)(field.values[rowIndex]) : whole;
    }
    if (!(name in variables)) return whole;
    return format === 'queryparam' ? `var-${name}=${encodeURIComponent(variables[name])}` : variables[name];
  });
}
