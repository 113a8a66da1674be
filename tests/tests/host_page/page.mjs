// page.mjs ADDRESS TOKEN SERVER-PORT PICTURES
// Opens every view of the agent's page in Chromium, and ends with an error if one does not show what it must.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [address, token, port, pictures] = process.argv.slice(2);
const from = createRequire(join(process.env.PIDFLOW_NODE_MODULES, 'any.js'));
const axe = readFileSync(from.resolve('axe-core/axe.min.js'), 'utf8');
const base = `http://${address}/`;
const FLAGS = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const WAIT = { timeout: 20_000 };
/** What would change how the text around it is shown. */
const DECEIVING = /[\u0000-\u0008\u000e-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

const browser = await from('playwright-core').chromium.launch({ executablePath: '/usr/bin/chromium', chromiumSandbox: false, args: FLAGS });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light' });
const page = await context.newPage();
const problems = [];
const origins = new Set();
/** Statuses that the browser reports as an error, although the test wants them. */
const wanted = new Set();
page.on('console', (m) => {
  const status = /status of (\d+)/.exec(m.text())?.[1];
  if (['error', 'warning'].includes(m.type()) && !wanted.has(status)) problems.push(`${m.type()}: ${m.text()}`);
});
page.on('pageerror', (e) => problems.push(`exception: ${e.stack}`));
page.on('dialog', (d) => problems.push(`dialog: ${d.message()}`));
context.on('request', (r) => origins.add(new URL(r.url()).origin));
mkdirSync(pictures, { recursive: true });

/** No serious finding of axe, nothing wider than the window, no text that deceives. */
async function check(name) {
  const found = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] })`);
  const serious = found.violations.filter((v) => ['serious', 'critical'].includes(v.impact));
  assert.deepEqual(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).slice(0, 3)}`), [], `${name}: axe`);
  const [wide, text, images] = await page.evaluate(() => [
    document.documentElement.scrollWidth - innerWidth, document.body.innerText, document.querySelectorAll('main img, main script').length]);
  assert(wide <= 0, `${name}: ${wide} pixels too wide`);
  assert.doesNotMatch(text, DECEIVING, name);
  assert.equal(images, 0, `${name}: elements of hostile names`);
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}

const view = (name) => page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
const table = (name) => page.getByRole('table', { name, exact: true });
const row = (name, ...texts) => texts.reduce((rows, hasText) => rows.filter({ hasText }), table(name).locator('tbody tr')).first();

async function asksForTheToken() {
  wanted.add('401');
  await page.goto(base);
  const field = page.getByLabel('Token', { exact: true });
  await field.waitFor(WAIT);
  assert.equal(await page.getByRole('table').count(), 0, 'no data without the token');
  await check('token');
  await field.fill('wrong');
  await field.press('Enter');
  await page.getByRole('alert').waitFor(WAIT);
  await field.fill(token);
  await field.press('Enter');
  await page.getByText('Busiest pairs').waitFor(WAIT);
  wanted.delete('401');
}

async function overview() {
  await row('Busiest pairs', 'page-client', 'page-server', `tcp:${port}`).waitFor(WAIT);
  await row('Failed connections', 'page-client', 'refused').waitFor(WAIT);
  await row('Busiest pairs', '<img src=x o=1>', 'page-server').waitFor(WAIT);
  await page.getByRole('img', { name: /^Processes talking to processes: \d+ ends and [1-9]/ }).waitFor(WAIT);
  await page.getByRole('list', { name: 'Figures' }).getByText('Attributed').waitFor(WAIT);
  await check('overview');
}

async function flows() {
  await view('Flows');
  await row('Flows', 'page-client', 'page-server').waitFor(WAIT);
  const bytes = table('Flows').getByRole('columnheader', { name: 'Bytes' });
  await bytes.getByRole('button').click();
  assert.equal(await bytes.getAttribute('aria-sort'), 'descending');
  assert.match(page.url(), /sort=-bytes/);
  await filters();
  await row('Flows', 'page-client').getByRole('link').press('Enter');
  await page.getByRole('heading', { name: 'Source' }).waitFor(WAIT);
  await page.getByText('traffic.py').first().waitFor(WAIT);
  await check('flow');
  await page.keyboard.press('Escape');
  await page.getByRole('heading', { name: 'Source' }).waitFor({ ...WAIT, state: 'detached' });
  await holds();
}

async function filters() {
  const field = page.getByLabel('Filter', { exact: true });
  wanted.add('422');
  await page.locator('h2').first().click();
  await page.keyboard.press('/');
  await page.keyboard.type('proces == "page-client"');
  await page.keyboard.press('Enter');
  await page.getByText('column 1: unknown name proces; did you mean process?').waitFor(WAIT);
  await field.fill(`src.process == "page-client" && dst.port == ${port}`);
  await field.press('Enter');
  await row('Flows', 'page-client', 'page-server').waitFor(WAIT);
  wanted.delete('422');
  const rows = await table('Flows').locator('tbody tr').allInnerTexts();
  assert(rows.every((text) => text.includes('page-client') && text.includes(`tcp:${port}`)), rows.join('\n'));
  const before = page.url();
  await page.reload();
  await row('Flows', 'page-client', 'page-server').waitFor(WAIT);
  assert.equal(page.url(), before, 'the address has everything');
}

/** New flows come while nobody holds the page, and none while someone does. */
async function holds() {
  const note = page.locator('h2 .note').first();
  const shown = await note.innerText();
  await page.waitForFunction((shown) => document.querySelector('h2 .note').innerText !== shown, shown, WAIT);
  await page.locator('main').focus();
  await page.keyboard.press('Space');
  await page.getByRole('button', { name: 'Go on', pressed: true }).waitFor(WAIT);
  const held = await note.innerText();
  await page.waitForTimeout(1500);
  assert.equal(await note.innerText(), held);
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.waitForFunction((held) => document.querySelector('h2 .note').innerText !== held, held, WAIT);
  await page.getByRole('button', { name: 'Remove the filter' }).click();
}

async function processes() {
  await view('Processes');
  await row('Processes', 'page-server', 'nobody').waitFor(WAIT);
  await check('processes');
  await row('Processes', 'page-client').getByRole('link').click();
  await page.getByRole('list', { name: 'Parents and children' }).getByText(/^page-client\(\d+\)$/).waitFor(WAIT);
  await page.getByRole('img', { name: /^Memory over time; latest: Memory [\d.]+ MB/ }).waitFor(WAIT);
  await page.getByRole('img', { name: /^Peers: [2-9] ends and [1-9]/ }).waitFor(WAIT);
  await row('Flows', 'page-client', 'page-server').waitFor(WAIT);
  assert.match(page.url(), /select=\d+\.\d+/);
  await check('process');
}

async function others() {
  await view('Hosts');
  await row('Hosts', '127.0.0.1').waitFor(WAIT);
  await check('hosts');
  await view('Users');
  await row('Users', 'nobody', 'page-server').waitFor(WAIT);
  await check('users');
  await view('Agent');
  await row('Packets by interface', 'lo').waitFor(WAIT);
  await page.getByText('How each fact is collected').waitFor(WAIT);
  await check('agent');
}

async function history() {
  await view('History');
  await row('Pairs', 'page-client', 'page-server').waitFor(WAIT);
  await row('Processes', 'page-server').waitFor(WAIT);
  await row('Users', 'nobody').waitFor(WAIT);
  await row('Latest records', 'page-client').first().waitFor(WAIT);
  await page.getByRole('combobox', { name: 'Time' }).selectOption('1d');
  assert.match(page.url(), /since=1d/);
  await page.getByRole('combobox', { name: 'Time' }).selectOption('other');
  assert.match(page.url(), /since=\d{4}-.*until=\d{4}-/);
  await page.getByRole('combobox', { name: 'Time' }).selectOption('15m');
  await row('Pairs', 'page-client', 'page-server').getByRole('link').click();
  assert.match(decodeURIComponent(page.url()), /src\.process[ +]==[ +]"page-client"/);
  await row('Pairs', 'page-client', 'page-server').waitFor(WAIT);
  await check('history');
  await page.getByRole('button', { name: 'Remove the filter' }).click();
}

async function darkAndSmall() {
  await page.getByRole('button', { name: 'Dark colours' }).click();
  await page.setViewportSize({ width: 800, height: 600 });
  await view('Overview');
  await row('Busiest pairs', 'page-client', 'page-server').waitFor(WAIT);
  await check('overview-dark-small');
  await view('Flows');
  await row('Flows', 'page-client').waitFor(WAIT);
  await check('flows-dark-small');
}

/** The page says that no answer comes, and goes on by itself when one does. */
async function comesBack() {
  await context.setOffline(true);
  await page.getByRole('button', { name: 'Hold' }).click();
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText('the agent does not answer').waitFor(WAIT);
  await context.setOffline(false);
  await page.getByText('the agent does not answer').waitFor({ ...WAIT, state: 'detached' });
}

for (const part of [asksForTheToken, overview, flows, processes, others, history, darkAndSmall]) {
  const began = Date.now();
  try {
    await part();
  } catch (error) {
    await page.screenshot({ path: join(pictures, 'failed.png') });
    console.error(part.name, problems, await page.evaluate(() => document.body.innerText.slice(0, 2000)));
    throw error;
  }
  console.log(`${part.name} ${Date.now() - began} ms`);
}
assert.deepEqual(problems, []);
await comesBack();
assert.deepEqual([...origins], [new URL(base).origin], 'no request leaves the agent');
await browser.close();
