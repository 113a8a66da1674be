// A drawn graph. What it shows stands in a table beside it too, for those who cannot see it.
import cytoscape from 'cytoscape';
import { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Graph, GraphEdge, GraphNode } from './graph';
import { layout } from './layout';
import { bytes, rate, short } from './text';
import { Theme, useTheme } from './theme';

const MAX_TITLE = 22;

interface Props {
  label: string;
  graph: Graph;
  selected?: string;
  /** A node was chosen; undefined: the background. */
  onSelect?: (node: GraphNode | undefined) => void;
}

function style(): cytoscape.StylesheetJson {
  const css = getComputedStyle(document.documentElement);
  const colour = (name: string): string => css.getPropertyValue(name).trim();
  const font = { 'font-family': 'system-ui, sans-serif', 'font-size': 12, color: colour('--text') };
  return [
    { selector: 'node', style: {
      ...font, label: 'data(label)', width: 'data(width)', height: 24, shape: 'round-rectangle', 'text-valign': 'center',
      'background-color': colour('--node'), 'border-width': 1.2, 'border-color': colour('--accent'),
    } },
    { selector: 'node[!isProcess]', style: { 'background-color': colour('--panel'), 'border-color': colour('--muted'), 'border-style': 'dashed' } },
    { selector: 'node[?isSelected]', style: { 'border-width': 3, 'font-weight': 'bold' } },
    { selector: 'edge', style: {
      ...font, 'font-size': 10, color: colour('--muted'), width: 'data(width)', 'curve-style': 'bezier', 'target-arrow-shape': 'triangle', 'arrow-scale': 0.8,
      'line-color': colour('--edge'), 'target-arrow-color': colour('--edge'), label: 'data(label)', 'text-rotation': 'autorotate',
      'text-background-color': colour('--panel'), 'text-background-opacity': 0.85, 'text-background-padding': '1px', 'loop-direction': '-90deg', 'loop-sweep': '40deg',
    } },
    { selector: 'edge[?isBusy]', style: { 'line-color': colour('--accent'), 'target-arrow-color': colour('--accent') } },
    { selector: 'edge[?hasFailed]', style: { 'line-color': colour('--bad'), 'target-arrow-color': colour('--bad'), color: colour('--bad'), 'line-style': 'dashed' } },
    { selector: '.faded', style: { opacity: 0.25 } },
  ];
}

function nodeData(node: GraphNode, selected: string | undefined): cytoscape.NodeDataDefinition {
  const label = short(node.title, MAX_TITLE) + (node.processes > 1 ? ` ×${node.processes}` : '');
  return { id: node.id, label, width: [...label].length * 7 + 18, isProcess: node.kind === 'process', isSelected: node.id === selected };
}

const edgeId = (e: GraphEdge): string => `${e.source}\n${e.target}`;

function edgeData(e: GraphEdge): cytoscape.EdgeDataDefinition {
  const width = Math.min(6, 1 + Math.log10(1 + e.bytes / 1000) * 0.8);
  const label = e.failures > 0 && e.failures >= e.flows ? `${e.failures} failed` : e.rate >= 0.5 ? rate(e.rate) : '';
  return { id: edgeId(e), source: e.source, target: e.target, width, label, isBusy: e.rate >= 0.5, hasFailed: e.failures > 0 };
}

function update(cy: cytoscape.Core, graph: Graph, selected: string | undefined): void {
  const [nodes, edges] = [graph.nodes.map((n) => nodeData(n, selected)), graph.edges.map(edgeData)];
  const wanted = new Set([...nodes, ...edges].map((data) => data.id!));
  let isOther = cy.elements().filter((e) => !wanted.has(e.id())).remove().length > 0;
  for (const [group, all] of [['nodes', nodes], ['edges', edges]] as const) {
    for (const data of all) {
      const known = cy.getElementById(data.id!);
      if (known.nonempty()) known.data(data);
      else cy.add({ group, data } as cytoscape.ElementDefinition);
      isOther ||= known.empty();
    }
  }
  if (isOther) arrange(cy, graph);
  fade(cy, selected);
}

function arrange(cy: cytoscape.Core, graph: Graph): void {
  // In the order of their names, so that a change of traffic alone moves nothing.
  const ids = graph.nodes.map((n) => n.id).sort();
  const points = layout(ids, graph.edges.toSorted((a, b) => edgeId(a).localeCompare(edgeId(b))));
  cy.nodes().positions((node) => points.get(node.id()) ?? { x: 0, y: 0 });
  cy.fit(undefined, 16);
  if (cy.zoom() > 1.25) {
    cy.zoom(1.25);
    cy.center();
  }
}

/** Only the neighbours of the selected node stay bright. */
function fade(cy: cytoscape.Core, selected: string | undefined): void {
  cy.elements().removeClass('faded');
  const node = selected === undefined ? cy.collection() : cy.getElementById(selected);
  if (node.nonempty()) cy.elements().not(node.closedNeighborhood()).addClass('faded');
}

function start(box: HTMLElement, select: (id: string | undefined) => void): cytoscape.Core {
  const cy = cytoscape({ container: box, style: style(), minZoom: 0.2, maxZoom: 3, boxSelectionEnabled: false, autoungrabify: true });
  cy.on('tap', (event) => select(event.target === cy ? undefined : event.target.isNode() ? event.target.id() : undefined));
  return cy;
}

export function GraphView({ label, graph, selected, onSelect }: Props): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<cytoscape.Core | undefined>(undefined);
  const latest = useRef({ graph, onSelect });
  latest.current = { graph, onSelect };
  const theme: Theme = useTheme();
  useEffect(() => {
    const cy = start(box.current!, (id) => latest.current.onSelect?.(latest.current.graph.nodes.find((n) => n.id === id)));
    drawn.current = cy;
    const resized = new ResizeObserver(() => {
      cy.resize();
      arrange(cy, latest.current.graph);
    });
    resized.observe(box.current!);
    return () => {
      resized.disconnect();
      cy.destroy();
    };
  }, [theme]);
  useEffect(() => update(drawn.current!, graph, selected));
  const total = graph.edges.reduce((sum, e) => sum + e.bytes, 0);
  const said = `${label}: ${graph.nodes.length} ends and ${graph.edges.length} connections with ${bytes(total)}`;
  return <div class="graph" ref={box} role="img" aria-label={said} />;
}
