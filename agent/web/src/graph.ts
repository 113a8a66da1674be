// The graph of who talks to whom, from `/api/graph` or from the records that the page knows.
import { Flow, rateAt } from './book';
import { address, processName, Side, userOf } from './record';
import { clean } from './text';

/** Processes of one name, an address, or what is neither: the kernel, an unknown process. */
export type NodeKind = 'process' | 'address' | 'other';

export interface GraphNode {
  id: string;
  title: string;
  kind: NodeKind;
  bytes: number;
  user: string;
  /** Processes of the name; 0: not known. */
  processes: number;
}

export interface GraphEdge {
  source: string;
  target: string;
  bytes: number;
  flows: number;
  failures: number;
  /** Bytes per second. */
  rate: number;
}

export interface Graph {
  nodes: GraphNode[];
  edges: GraphEdge[];
}

/** `/api/graph`. */
export interface ApiGraph {
  nodes: { id: string; title: string; subtitle: string; mainstat: number; detail__user?: string; detail__processes?: number }[];
  edges: { id: string; source: string; target: string; mainstat: number; secondarystat: number; detail__failures: number }[];
}

/** Rates from two answers of `/api/graph`. */
export class Rates {
  private before = new Map<string, number>();
  private beforeAt = 0;
  private latest: ApiGraph | undefined;
  private rates = new Map<string, number>();

  /** Bytes per second by edge, as of the latest two answers. */
  update(answer: ApiGraph, now: number): Map<string, number> {
    if (answer === this.latest) return this.rates;
    const seconds = (now - this.beforeAt) / 1000;
    const grown = (id: string, bytes: number): number => {
      const before = this.before.get(id);
      return before === undefined || seconds <= 0 ? 0 : Math.max(0, bytes - before) / seconds;
    };
    this.rates = new Map(answer.edges.map((e) => [e.id, grown(e.id, e.mainstat)]));
    this.before = new Map(answer.edges.map((e) => [e.id, e.mainstat]));
    [this.beforeAt, this.latest] = [now, answer];
    return this.rates;
  }
}

function kindOf({ title, subtitle }: { title: string; subtitle: string }): NodeKind {
  if (subtitle === '') return 'address';
  return title === '[unknown]' || title === '[kernel]' ? 'other' : 'process';
}

export function fromApi(answer: ApiGraph, rates: Map<string, number>): Graph {
  const nodes = answer.nodes.map((n) => ({
    id: n.id, title: clean(n.title), kind: kindOf(n), bytes: n.mainstat, user: n.detail__user ?? '', processes: n.detail__processes ?? 0,
  }));
  const edges = answer.edges.map((e) => ({
    source: e.source, target: e.target, bytes: e.mainstat, flows: e.secondarystat, failures: e.detail__failures, rate: rates.get(e.id) ?? 0,
  }));
  return { nodes, edges };
}

/** Processes of one name, or an address. */
function nodeOf(flow: Flow, side: Side): GraphNode {
  const name = processName(flow.record, side);
  const title = name ?? address(flow.record, side);
  const kind = name === undefined ? 'address' : 'process';
  return { id: `${kind}/${title}`, title: clean(title), kind, bytes: 0, user: userOf(flow.record, side) ?? '', processes: 0 };
}

/** The graph of flows. With `single`, each process is a node of its own. */
export function fromFlows(flows: readonly Flow[], now: number, limit: number, single = false): Graph {
  const [nodes, edges] = [new Map<string, GraphNode>(), new Map<string, GraphEdge>()];
  const nodeAt = (flow: Flow, side: Side): string => {
    const node = nodeOf(flow, side);
    if (single && node.kind === 'process') {
      node.id += `/${flow.record[`${side}_PROC_PID`]}`;
      node.title += `(${flow.record[`${side}_PROC_PID`]})`;
    }
    if (!nodes.has(node.id)) nodes.set(node.id, node);
    nodes.get(node.id)!.bytes += flow.bytes;
    return node.id;
  };
  for (const flow of flows) {
    const [source, target] = [nodeAt(flow, 'SRC'), nodeAt(flow, 'DST')];
    const key = `${source}\n${target}`;
    const edge = edges.get(key) ?? { source, target, bytes: 0, flows: 0, failures: 0, rate: 0 };
    edge.bytes += flow.bytes;
    edge.flows += 1;
    edge.failures += flow.failure === undefined ? 0 : 1;
    edge.rate += rateAt(flow, now);
    edges.set(key, edge);
  }
  return busiest({ nodes: [...nodes.values()], edges: [...edges.values()] }, limit);
}

/** The edges with the most bytes, and those that failed most, with their nodes. */
export function busiest(graph: Graph, limit: number): Graph {
  const byBytes = graph.edges.toSorted((a, b) => b.bytes - a.bytes);
  const byFailures = graph.edges.filter((e) => e.failures > 0).sort((a, b) => b.failures - a.failures);
  const kept = new Set([...byFailures.slice(0, Math.ceil(limit / 4)), ...byBytes].slice(0, limit));
  const edges = byBytes.filter((e) => kept.has(e));
  const ends = new Set(edges.flatMap((e) => [e.source, e.target]));
  return { nodes: graph.nodes.filter((n) => ends.has(n.id)), edges };
}
