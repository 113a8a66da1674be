// Draws nodes and edges as Grafana's node graph panel gets them, about as large as the panel does (circles of 40
// pixels, number inside, title below), scaled to fit. The panel itself is in no package. Layout by forces from a fixed
// start, so that the same graph gives the same picture.
const RADIUS = 40, STEPS = 500;
const TEXT = { fill: '#ccccdc', 'text-anchor': 'middle' };
const units = ['B', 'kB', 'MB', 'GB', 'TB'];
/** A number of octets as the panel would write it. */
export function octets(n) {
  let unit = 0;
  while (n >= 999.5 && unit < units.length - 1) { n /= 1000; unit++; }
  return `${n < 10 && unit ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}
function layout(nodes, edges) {
  const at = new Map(nodes.map((n, i) => [n.id, i]));
  const links = edges.map((e) => [at.get(e.source), at.get(e.target)]).filter(([a, b]) => a !== b);
  // Start with the nodes on a sunflower spiral, the busiest in the middle.
  const p = nodes.map((n, i) => [70 * Math.sqrt(i) * Math.cos(i * 2.4), 70 * Math.sqrt(i) * Math.sin(i * 2.4)]);
  for (let step = 0; step < STEPS; step++) {
    const f = p.map(([x, y]) => [-x * 0.012, -y * 0.03]);
    for (let i = 0; i < p.length; i++) for (let j = 0; j < i; j++) {
      const dx = p[i][0] - p[j][0] || 0.1, dy = p[i][1] - p[j][1] || 0.1, d2 = dx * dx + dy * dy;
      const push = 26000 / d2 + (d2 < 19600 ? (140 - Math.sqrt(d2)) * 0.02 : 0);
      f[i][0] += dx * push / Math.sqrt(d2) * 4; f[i][1] += dy * push / Math.sqrt(d2) * 4;
      f[j][0] -= dx * push / Math.sqrt(d2) * 4; f[j][1] -= dy * push / Math.sqrt(d2) * 4;
    }
    for (const [a, b] of links) {
      const dx = p[b][0] - p[a][0], dy = p[b][1] - p[a][1], d = Math.hypot(dx, dy) || 1, pull = (d - 180) * 0.05 / d;
      f[a][0] += dx * pull; f[a][1] += dy * pull; f[b][0] -= dx * pull; f[b][1] -= dy * pull;
    }
    const most = 60 * (1 - step / STEPS) + 1;
    p.forEach((q, i) => {
      const d = Math.hypot(...f[i]), s = Math.min(1, most / (d || 1));
      q[0] += f[i][0] * s; q[1] += f[i][1] * s;
    });
  }
  return p;
}
function add(parent, name, attributes, text) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', name);
  Object.entries(attributes).forEach(([k, v]) => e.setAttribute(k, v));
  if (text !== undefined) e.textContent = text;
  return parent.appendChild(e);
}
/** Draws into `svg`; `format` writes the number of a node. */
export function drawGraph(svg, { nodes, edges, format = octets }) {
  nodes = [...nodes].sort((a, b) => b.mainstat - a.mainstat);
  const p = layout(nodes, edges), at = new Map(nodes.map((n, i) => [n.id, i]));
  const xs = p.map((q) => q[0]), ys = p.map((q) => q[1]);
  const box = [Math.min(...xs) - 100, Math.min(...ys) - 70, Math.max(...xs) + 100, Math.max(...ys) + 90];
  svg.setAttribute('viewBox', `${box[0]} ${box[1]} ${box[2] - box[0]} ${box[3] - box[1]}`);
  const marker = add(add(svg, 'defs', {}), 'marker', { id: 'arrow', viewBox: '0 0 10 10', refX: 10, refY: 5, markerWidth: 9,
    markerHeight: 9, markerUnits: 'userSpaceOnUse', orient: 'auto' });
  add(marker, 'path', { d: 'M0 0L10 5L0 10z', fill: '#8e8e9c' });
  for (const e of edges) {
    const a = p[at.get(e.source)], b = p[at.get(e.target)];
    if (a === b) { add(svg, 'path', { d: `M${a[0] - 20} ${a[1] - 35}c-30 -50 70 -50 40 0`, fill: 'none', stroke: '#8e8e9c' }); continue; }
    const d = Math.hypot(b[0] - a[0], b[1] - a[1]), u = [(b[0] - a[0]) / d, (b[1] - a[1]) / d];
    add(svg, 'line', { x1: a[0] + u[0] * RADIUS, y1: a[1] + u[1] * RADIUS, x2: b[0] - u[0] * (RADIUS + 3),
      y2: b[1] - u[1] * (RADIUS + 3), stroke: '#8e8e9c', 'stroke-width': 1, 'marker-end': 'url(#arrow)' });
  }
  nodes.forEach((n, i) => {
    const [x, y] = p[i];
    add(svg, 'circle', { cx: x, cy: y, r: RADIUS, fill: '#22252b', stroke: n.subtitle ? '#73bf69' : '#5794f2', 'stroke-width': 2 });
    add(svg, 'text', { ...TEXT, x, y: y + 5, 'font-size': 13 }, format(n.mainstat));
    add(svg, 'text', { ...TEXT, x, y: y + RADIUS + 17, 'font-size': 13 }, n.title);
    if (n.subtitle) add(svg, 'text', { ...TEXT, x, y: y + RADIUS + 32, 'font-size': 11, fill: '#8e8e9c' }, n.subtitle);
  });
}
