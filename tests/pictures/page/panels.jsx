// A panel's visualization from its frames: Grafana's own components where Grafana publishes them (stat, time series,
// table), stand-ins where it does not (node graph, state timeline: they are in the server's own source alone).
import React from 'react';
import { dateTime, fieldReducers, formattedValueToString, getFieldDisplayName, reduceField } from '@grafana/data';
import { BigValue, Table, TimeSeries } from '@grafana/ui';
import { drawGraph } from '../graph.js';

/** What Grafana's time series panel sets where a dashboard is silent. */
export const LINE_DEFAULTS = {
  drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0, gradientMode: 'none', spanNulls: false,
  showPoints: 'auto', pointSize: 5, axisPlacement: 'auto', scaleDistribution: { type: 'linear' }, hideFrom: {},
  thresholdsStyle: { mode: 'off' }, stacking: { mode: 'none' },
};

const valuesOf = (frames) => frames.flatMap((f) => f.fields.filter((x) => x.type === 'number').map((field) => ({ frame: f, field })));

function Stat({ panel, frames, theme, width, height }) {
  const { frame, field } = valuesOf(frames)[0];
  const calc = panel.options.reduceOptions.calcs[0];
  const value = field.display(reduceField({ field, reducers: [calc] })[calc]);
  const sparkline = { x: frame.fields.find((f) => f.type === 'time'), y: field };
  return <BigValue value={value} theme={theme} width={width} height={height} sparkline={sparkline}
    colorMode={panel.options.colorMode} graphMode={panel.options.graphMode} justifyMode="auto" />;
}

function Lines({ frames, theme, view, width, height }) {
  const timeRange = { from: dateTime(view.from), to: dateTime(view.to), raw: { from: 'now-15m', to: 'now' } };
  return <TimeSeries frames={frames} timeRange={timeRange} timeZone="utc" theme={theme} width={width} height={height}
    legend={{ displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] }} />;
}

function Rows({ panel, frames, width, height }) {
  return <Table data={frames[0]} width={width} height={height} cellHeight="sm" initialSortBy={panel.options.sortBy} />;
}

const named = (frame, name) => frame.fields.find((f) => f.name === name);

/** Nodes and edges by the node graph panel's rules: a frame with a field `source` is edges, one with `id` nodes. */
export function graphOf(frames) {
  const edges = frames.find((f) => named(f, 'source')), nodes = frames.find((f) => named(f, 'id') && !named(f, 'source'));
  const rows = (frame, names) => Array.from({ length: frame.length }, (_, i) =>
    Object.fromEntries(names.map((n) => [n, named(frame, n)?.values[i] ?? ''])));
  return {
    nodes: rows(nodes, ['id', 'title', 'subtitle', 'mainstat']),
    edges: rows(edges, ['id', 'source', 'target', 'mainstat']),
    format: (n) => formattedValueToString(named(nodes, 'mainstat').display(n)),
  };
}

function Graph({ frames, width, height }) {
  const graph = graphOf(frames);
  return <svg width={width} height={height} ref={(svg) => svg && !svg.firstChild && drawGraph(svg, graph)} />;
}

/** A row per series, coloured where it has a value. */
function Timeline({ frames, width, height }) {
  const rows = valuesOf(frames), row = Math.min(30, Math.floor(height / Math.max(1, rows.length))), label = 260;
  return <svg width={width} height={height}>
    {rows.map(({ frame, field }, r) => {
      const cell = (width - label) / field.values.length, y = r * row;
      return <g key={r}>
        <text x={label - 8} y={y + row / 2 + 4} textAnchor="end" fontSize="12" fill="#ccccdc">{getFieldDisplayName(field, frame, frames)}</text>
        {Array.from(field.values, (v, i) => v === null ? null :
          <rect key={i} x={label + i * cell} y={y + row * 0.1} width={cell + 0.5} height={row * 0.8} fill={field.display(v).color} />)}
      </g>;
    })}
  </svg>;
}

export const VISUALIZATIONS = { stat: Stat, timeseries: Lines, table: Rows, nodeGraph: Graph, 'state-timeline': Timeline };

/** Links of every row of a frame as they open when clicked. */
function links(frames) {
  const of = (field) => Array.from({ length: field.values.length }, (_, valueRowIndex) =>
    (field.config.links?.length ? field.getLinks({ valueRowIndex }) : []).map((l) => l.href)).flat();
  return [...new Set(frames.flatMap((f) => f.fields.flatMap(of)))];
}

/** What a person sees in the panel, as data for whoever checks it. */
export function summary(panel, frames) {
  const shown = { title: panel.title, type: panel.type, links: links(frames) };
  if (panel.type === 'nodeGraph') return { ...shown, graph: graphOf(frames) };
  if (panel.type === 'table') {
    const fields = frames[0].fields;
    const row = (i) => fields.map((f) => formattedValueToString(f.display(f.values[i])));
    return { ...shown, columns: fields.map((f) => getFieldDisplayName(f, frames[0], frames)),
      rows: Array.from({ length: frames[0].length }, (_, i) => row(i)) };
  }
  const last = (field) => reduceField({ field, reducers: [fieldReducers.get('lastNotNull').id] }).lastNotNull;
  return { ...shown, series: valuesOf(frames).map(({ frame, field }) => ({
    name: getFieldDisplayName(field, frame, frames), last: formattedValueToString(field.display(last(field))) })) };
}
