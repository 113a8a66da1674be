// From a panel's queries to the frames that its visualization gets: asks Prometheus, makes of the answers what Grafana's
// data source makes of them, and hands these to Grafana's own transformations and field overrides.
import {
  applyFieldOverrides, FieldColorModeId, identityOverrideProcessor, standardFieldConfigEditorRegistry, standardTransformers,
  standardTransformersRegistry, ThresholdsMode, toDataFrame, transformDataFrame,
} from '@grafana/data';
import { firstValueFrom } from 'rxjs';
import { fillQuery, replacer } from './variables.js';

const OPTIONS = ['unit', 'decimals', 'min', 'max', 'displayName', 'noValue', 'color', 'thresholds', 'mappings', 'links'];
const POINTS = 300;

export function prepareRegistries() {
  const option = (id) => ({ id, path: id, name: id, process: identityOverrideProcessor, shouldApply: () => true });
  standardFieldConfigEditorRegistry.setInit(() => OPTIONS.map(option));
  const transformers = [...new Map(Object.values(standardTransformers).map((t) => [t.id, t])).values()];
  const registered = (t) => ({ id: t.id, name: t.name, transformation: async () => t, editor: null });
  standardTransformersRegistry.setInit(() => transformers.map(registered));
}

async function ask(path, parameters) {
  const answer = await (await fetch(`/api/v1/${path}?${new URLSearchParams(parameters)}`)).json();
  if (answer.status !== 'success') throw new Error(`${parameters.query}: ${answer.error}`);
  return answer.data.result;
}

/** Seconds between two points: round, and not so short that a panel has more points than pixels. */
export function stepOf({ from, to }) {
  return Math.max(1, Math.round((to - from) / 1000 / POINTS));
}

function tableFrame(target, several, result) {
  const labels = [...new Set(result.flatMap((s) => Object.keys(s.metric)))].sort();
  const field = (name, type, values) => ({ name, type, values, config: {} });
  return toDataFrame({ refId: target.refId, fields: [
    field('Time', 'time', result.map((s) => s.value[0] * 1000)),
    ...labels.map((l) => field(l, 'string', result.map((s) => s.metric[l] ?? ''))),
    field(several ? `Value #${target.refId}` : 'Value', 'number', result.map((s) => Number(s.value[1]))),
  ] });
}

function legend(target, metric) {
  if (target.legendFormat) return target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, l) => metric[l] ?? '');
  return JSON.stringify(metric);
}

/** One frame per series, with a null where there is no sample, so that lines have the gaps that they have in Grafana. */
function seriesFrames(target, result, { from, to }, step) {
  const times = [];
  for (let t = Math.ceil(from / 1000 / step) * step; t <= to / 1000; t += step) times.push(t);
  return result.map((s) => {
    const at = new Map(s.values.map(([t, v]) => [t, Number(v)]));
    const name = legend(target, s.metric);
    return toDataFrame({ refId: target.refId, name, fields: [
      { name: 'Time', type: 'time', values: times.map((t) => t * 1000), config: {} },
      { name: 'Value', type: 'number', labels: s.metric, values: times.map((t) => at.get(t) ?? null),
        config: { displayNameFromDS: name } },
    ] });
  });
}

const kindOf = (type) => /^(Nullable\()?Date/.test(type) ? 'time' : /^(Nullable\()?(U?Int|Float|Decimal)/.test(type) ? 'number' : 'string';

/** ClickHouse's answers, which were fetched before: a table as it is, and of a query over time a series for each text in its rows. */
async function clickHouseFrames(target, panel) {
  const name = new URLSearchParams(location.search).get('dashboard');
  const { columns, rows } = (await (await fetch(`/frames/${name}`)).json())[panel.title][target.refId];
  const value = (row, i) => (kindOf(columns[i].type) === 'time' && row[i] !== null ? Date.parse(row[i]) : row[i]);
  const field = (i, of, config = {}) => ({ name: columns[i].name, type: kindOf(columns[i].type), values: of.map((row) => value(row, i)), config });
  const all = columns.map((_, i) => i);
  if (target.format !== 0) return [toDataFrame({ refId: target.refId, fields: all.map((i) => field(i, rows)) })];
  const kinds = (kind) => all.filter((i) => kindOf(columns[i].type) === kind), [time] = kinds('time'), texts = kinds('string');
  const series = new Map();
  for (const row of rows) {
    const key = texts.map((i) => row[i]).join(' ');
    series.set(key, [...(series.get(key) ?? []), row]);
  }
  return [...series].flatMap(([key, of]) => kinds('number').map((i) => toDataFrame({ refId: target.refId, name: key || columns[i].name,
    fields: [{ ...field(time, of), name: 'Time' }, field(i, of, { displayNameFromDS: key || columns[i].name })] })));
}

async function framesOf(target, panel, view) {
  if (target.rawSql) return clickHouseFrames(target, panel);
  const step = stepOf(view), query = fillQuery(target.expr, { ...view, stepSeconds: step });
  if (target.instant) {
    const result = await ask('query', { query, time: view.to / 1000 });
    return [tableFrame(target, panel.targets.length > 1, result)];
  }
  const start = Math.ceil(view.from / 1000 / step) * step;
  const result = await ask('query_range', { query, start, end: view.to / 1000, step });
  return seriesFrames(target, result, view, step);
}

/** What the visualization of `panel` gets in the time and with the variables of `view`. */
export async function panelFrames(panel, view, theme, custom) {
  const raw = (await Promise.all(panel.targets.map((t) => framesOf(t, panel, view)))).flat();
  const transformed = await firstValueFrom(transformDataFrame(panel.transformations ?? [], raw));
  const { defaults, overrides } = panel.fieldConfig;
  const fieldConfig = { overrides, defaults: {
    color: { mode: panel.type === 'timeseries' ? FieldColorModeId.PaletteClassic : FieldColorModeId.Thresholds },
    thresholds: { mode: ThresholdsMode.Absolute, steps: [{ value: -Infinity, color: 'green' }] },
    mappings: [],
    ...structuredClone(defaults),
    custom: { ...custom, ...defaults.custom },
  } };
  // JSON has no infinity: the lowest step is null in a dashboard.
  fieldConfig.defaults.thresholds.steps.forEach((s) => { s.value ??= -Infinity; });
  return applyFieldOverrides({ data: transformed, fieldConfig, theme, timeZone: 'utc', replaceVariables: replacer(view) });
}
