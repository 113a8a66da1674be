// dashboards.mjs PROMETHEUS_URL OUT_FOLDER --process HOST/NAME [--seconds 900] [--scrape 15] [--frames FRAMES.json] [--to MILLISECONDS] [DASHBOARD...]
// Draws the dashboards as a person would see them, with Grafana's own components as far as they are published
// (page/panels.jsx), from the last `seconds` of data of a Prometheus that scrapes every `scrape` seconds. Writes
// OUT_FOLDER/NAME.png and, in OUT_FOLDER/shown.json, what each panel shows and where its links lead. The dashboard Process
// shows the process --process. Needs the npm packages of package.json beside this file, installed with --legacy-peer-deps in
import { createServer } from 'node:http';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url)), dashboards = join(here, '../../dashboards');
const modules = process.env.PIDFLOW_NODE_MODULES ?? join(here, 'node_modules');
const from = createRequire(join(modules, 'any.js'));
const started = Date.now();
const { values: options, positionals: [prometheus, out, ...wanted] } = parseArgs({ allowPositionals: true, options: {
  process: { type: 'string' }, seconds: { type: 'string', default: '900' }, scrape: { type: 'string', default: '15' },
  frames: { type: 'string' }, to: { type: 'string' },
} });
// The requests of the drawing itself come after this time, and so appear in no picture.
const to = Number(options.to ?? started);
// With --frames, ClickHouse's dashboards are drawn, from what dashboards/check_clickhouse.py wrote. Grafana's ClickHouse plugin is
// in no package, so its part, to run the queries and to hand on columns, is done by that script and by page/frames.js.
const frames = options.frames ? JSON.parse(readFileSync(options.frames)) : null;
const drawn = frames ? join(dashboards, 'clickhouse') : dashboards;

// Grafana's packages as CommonJS: in their .mjs files the bundler takes the default export of a CommonJS module for all of it.
const asCommonJs = { name: 'as CommonJS', setup(build) {
  build.onResolve({ filter: /^@grafana\/(data|ui)/ }, ({ path, kind, resolveDir }) =>
    kind === 'require-call' ? null : build.resolve(path, { kind: 'require-call', resolveDir }));
} };

async function bundle() {
  const result = await from('esbuild').build({
    entryPoints: [join(here, 'page/main.jsx')], bundle: true, write: false, outdir: '/', format: 'esm', nodePaths: [modules],
    plugins: [asCommonJs], loader: { '.svg': 'dataurl', '.ttf': 'dataurl' },
    define: { 'process.env.NODE_ENV': '"production"', global: 'window' }, logLevel: 'error',
  });
  return Object.fromEntries(result.outputFiles.map((f) => [f.path, f.text]));
}

const PAGE = '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/main.css"><body><div id="root"></div><script type="module" src="/main.js"></script>';

/** Serves the page, the dashboards, and Prometheus' answers. */
async function answer(files, url) {
  if (url.pathname === '/') return ['text/html', PAGE];
  if (url.pathname in files) return [url.pathname.endsWith('.js') ? 'text/javascript' : 'text/css', files[url.pathname]];
  if (url.pathname.startsWith('/dashboards/')) return ['application/json', readFileSync(join(drawn, basename(url.pathname)))];
  if (url.pathname.startsWith('/frames/')) return ['application/json', JSON.stringify(frames[basename(url.pathname)])];
  if (url.pathname.startsWith('/api/')) return ['application/json', await (await fetch(prometheus + url.pathname + url.search)).text()];
  return ['text/plain', ''];
}

function serve(files) {
  const server = createServer((request, response) => {
    answer(files, new URL(request.url, 'http://localhost')).then(([type, body]) => {
      response.setHeader('content-type', type);
      response.end(body);
    }, (error) => { response.statusCode = 500; response.end(String(error)); });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

const CHROMIUM = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--hide-scrollbars'];

async function draw(browser, server, name) {
  const page = await browser.newPage({ viewport: { width: 1900, height: 1000 } });
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  const parameters = { dashboard: name, from: to - Number(options.seconds) * 1000, to, scrape: options.scrape,
    'var-instance': '.*', 'var-process': options.process, 'var-datasource': 'prometheus' };
  await page.goto(`http://127.0.0.1:${server.address().port}/?${new URLSearchParams(parameters)}`);
  const drawn = page.waitForFunction(() => window.shown, null, { timeout: 30_000 });
  const panels = await drawn.then((shown) => shown.jsonValue(), (error) => { throw new Error(`${name}: ${error} ${errors}`); });
  await page.screenshot({ path: join(out, `${name}.png`), fullPage: true });
  await page.close();
  return { dashboard: name, errors, panels };
}

mkdirSync(out, { recursive: true });
const names = readdirSync(drawn).filter((f) => f.endsWith('.json')).map((f) => f.slice(0, -5)).sort();
const server = await serve(await bundle());
const browser = await from('playwright-core').chromium.launch({ executablePath: '/usr/bin/chromium', chromiumSandbox: false, args: CHROMIUM });
const shown = [];
for (const name of wanted.length ? wanted : names) shown.push(await draw(browser, server, name));
await browser.close();
server.close();
writeFileSync(join(out, 'shown.json'), JSON.stringify(shown, null, 1));
for (const { dashboard, errors, panels } of shown) {
  for (const error of errors) console.log(`${dashboard}: error in the page: ${error}`);
  for (const p of panels) if (p.empty || p.error) console.log(`${dashboard}: ${p.title}: ${p.error ?? 'no data'}`);
}
