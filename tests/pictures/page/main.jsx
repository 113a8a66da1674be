// One dashboard on Grafana's grid: 24 columns, rows of 30 pixels and gaps of 8. Sets window.shown to what its panels show
// when they are drawn. Parameters of the address: dashboard, from, to (milliseconds), scrape (seconds), var-NAME.
import React, { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { createTheme } from '@grafana/data';
import { GlobalStyles, PanelChrome, ThemeContext } from '@grafana/ui';
import { panelFrames, prepareRegistries } from './frames.js';
import { automatic } from './variables.js';
import { LINE_DEFAULTS, summary, VISUALIZATIONS } from './panels.jsx';

const theme = createTheme({ colors: { mode: 'dark' } });
const COLUMN = 1880 / 24, ROW = 38, GAP = 8;

function view(dashboard) {
  const parameters = new URLSearchParams(location.search), number = (name) => Number(parameters.get(name));
  const variables = [...parameters].filter(([name]) => name.startsWith('var-')).map(([name, value]) => [name.slice(4), value]);
  const time = { from: number('from'), to: number('to'), scrapeSeconds: number('scrape') };
  const intervals = dashboard.templating.list.filter((v) => v.type === 'interval').map((v) => [v.name, automatic(v, time)]);
  return { ...time, variables: Object.fromEntries([...variables, ...intervals]) };
}

const empty = (frames) => frames.every((f) => f.length === 0);

function Panel({ panel, frames, error, view }) {
  const { x, y, w, h } = panel.gridPos, Visualization = VISUALIZATIONS[panel.type];
  const place = { position: 'absolute', left: x * COLUMN, top: 48 + y * ROW };
  return <div style={place}>
    <PanelChrome title={panel.title} description={panel.description} width={w * COLUMN - GAP} height={h * ROW - GAP}>
      {(width, height) => error ? <pre>{error}</pre> : empty(frames) ? <p style={{ textAlign: 'center' }}>No data</p> :
        <Visualization panel={panel} frames={frames} theme={theme} view={view} width={width} height={height} />}
    </PanelChrome>
  </div>;
}

function Dashboard({ dashboard, panels, view }) {
  useEffect(() => {
    const shown = panels.map(({ panel, frames, error }) => error ? { title: panel.title, type: panel.type, error }
      : empty(frames) ? { title: panel.title, type: panel.type, empty: true } : summary(panel, frames));
    // Plots are drawn in the frames after the first layout.
    setTimeout(() => { window.shown = shown; }, 500);
  }, []);
  return <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <h1 style={{ position: 'absolute', left: 8, top: 8, fontSize: 20 }}>{dashboard.title}</h1>
    {panels.map((p) => <Panel key={p.panel.id} {...p} view={view} />)}
  </ThemeContext.Provider>;
}

async function load(panel, view) {
  try {
    return { panel, frames: await panelFrames(panel, view, theme, panel.type === 'timeseries' ? LINE_DEFAULTS : {}) };
  } catch (error) {
    return { panel, error: String(error) };
  }
}

async function main() {
  prepareRegistries();
  const name = new URLSearchParams(location.search).get('dashboard');
  const dashboard = await (await fetch(`/dashboards/${name}.json`)).json(), here = view(dashboard);
  const panels = await Promise.all(dashboard.panels.map((p) => load(p, here)));
  const rows = Math.max(...dashboard.panels.map((p) => p.gridPos.y + p.gridPos.h));
  document.body.style.cssText = `width: 1900px; height: ${60 + rows * ROW}px; position: relative`;
  createRoot(document.getElementById('root')).render(<Dashboard dashboard={dashboard} panels={panels} view={here} />);
}

main();
