// A flow record as `/api/flows` and `/api/stream` have it, and what the page reads from it.
import { clean } from './text';

/** A record: elements by name; what is not known is absent. */
export type FlowRecord = { readonly [element: string]: string | number | undefined };

/** `SRC` or `DST`. */
export type Side = 'SRC' | 'DST';

const PROTOCOLS: { [number: number]: string } = { 1: 'icmp', 2: 'igmp', 6: 'tcp', 17: 'udp', 47: 'gre', 50: 'esp', 51: 'ah', 58: 'icmpv6', 132: 'sctp' };
/** Reasons of failed connection attempts, by their errno on Linux. */
const FAILURES: { [errno: number]: string } = { 101: 'no network', 104: 'reset', 110: 'timeout', 111: 'refused', 113: 'no route' };
/** FLOW_END_REASON of a record whose flow goes on. */
const ACTIVE_TIMEOUT = 2;

export function number(r: FlowRecord, element: string): number | undefined {
  const value = r[element];
  return typeof value === 'number' ? value : undefined;
}

export function text(r: FlowRecord, element: string): string | undefined {
  const value = r[element];
  return value === undefined ? undefined : String(value);
}

const sum = (r: FlowRecord, ...elements: string[]): number => elements.reduce((n, e) => n + (number(r, e) ?? 0), 0);

export const bytesOf = (r: FlowRecord): number => sum(r, 'IN_BYTES', 'OUT_BYTES');
export const packetsOf = (r: FlowRecord): number => sum(r, 'IN_PKTS', 'OUT_PKTS');
export const startOf = (r: FlowRecord): number => number(r, 'FLOW_START_MILLISECONDS') ?? 0;
export const endOf = (r: FlowRecord): number => number(r, 'FLOW_END_MILLISECONDS') ?? 0;
export const goesOn = (r: FlowRecord): boolean => number(r, 'FLOW_END_REASON') === ACTIVE_TIMEOUT;
/** What an end sent, bytes. */
export const sentBy = (r: FlowRecord, side: Side): number => number(r, side === 'SRC' ? 'IN_BYTES' : 'OUT_BYTES') ?? 0;

export function address(r: FlowRecord, side: Side): string {
  return text(r, `IPV4_${side}_ADDR`) ?? text(r, `IPV6_${side}_ADDR`) ?? '';
}

export function port(r: FlowRecord, side: Side): number | undefined {
  return number(r, `L4_${side}_PORT`);
}

export function protocol(r: FlowRecord): string {
  const n = number(r, 'PROTOCOL') ?? 0;
  return PROTOCOLS[n] ?? `ip ${n}`;
}

/** Protocol and the server's port: `tcp:443`. */
export function service(r: FlowRecord): string {
  const [name, at] = [protocol(r), port(r, 'DST')];
  return at && (name === 'tcp' || name === 'udp' || name === 'sctp') ? `${name}:${at}` : name;
}

/** Why the connection attempt failed. */
export function failure(r: FlowRecord): string | undefined {
  const errno = number(r, 'CONNECT_ERROR');
  return errno === undefined || errno === 0 ? undefined : FAILURES[errno] ?? `error ${errno}`;
}

/** The identity of the process at an end. */
export interface ProcessId {
  pid: number;
  /** Milliseconds since 1970. */
  start: number;
}

export function processId(r: FlowRecord, side: Side): ProcessId | undefined {
  const pid = number(r, `${side}_PROC_PID`);
  return pid === undefined || r[`${side}_PROC_NAME`] === undefined ? undefined : { pid, start: number(r, `${side}_PROC_START_TIME`) ?? 0 };
}

export const processName = (r: FlowRecord, side: Side): string | undefined => text(r, `${side}_PROC_NAME`);
export const userOf = (r: FlowRecord, side: Side): string | undefined => text(r, `${side}_PROC_USER_NAME`) || text(r, `${side}_PROC_UID`);

/** The process with its number, or the address of an end without one. */
export function endLabel(r: FlowRecord, side: Side): string {
  const name = processName(r, side);
  return name === undefined ? address(r, side) : `${clean(name)}(${r[`${side}_PROC_PID`]})`;
}

/** The name that the client asked for, of the server. */
export function requestedName(r: FlowRecord): string {
  const name = text(r, 'TLS_SERVER_NAME') ?? text(r, 'HTTP_HOST') ?? text(r, 'DNS_QUERY') ?? text(r, 'DST_HOST_NAME') ?? '';
  return clean(name);
}

export function application(r: FlowRecord): string {
  return clean(text(r, 'APPLICATION_PROTOCOL') ?? text(r, 'L7_PROTO_NAME') ?? '');
}

/** The ends and the protocol: the same for all records of a flow. */
export function tuple(r: FlowRecord): string {
  const ends = [address(r, 'SRC'), port(r, 'SRC') ?? '', address(r, 'DST'), port(r, 'DST') ?? ''];
  return [...ends, r.PROTOCOL, r.SRC_NETWORK_NAMESPACE ?? '', r.UPSTREAM_TUNNEL_ID ?? ''].join(' ');
}
