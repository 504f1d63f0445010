/** Figures as the operator reads them. Pure. */

import type { CallQuality, Spent, SupervisedSession } from './api';

const STATES: Record<SupervisedSession['state'], string> = {
  idle: 'idle',
  user_speaking: 'user speaks',
  responding: 'agent answers',
  ended: 'ended',
};

const LIMITS: Record<string, string> = {
  sessions_at_once: 'sessions at once',
  minutes_per_day: 'minutes today',
  tenant_day: 'budget today',
  tenant_month: 'budget this month',
};

export function stateOf({ state }: SupervisedSession): string {
  return STATES[state];
}

/** Whose it is: the user, the key that opened it, or just the tenant. */
export function nameOf({ user, key, tenant }: SupervisedSession): string {
  return user ?? key ?? tenant;
}

export function moneyOf(spent: Partial<Spent> | null): string {
  if (!spent) return '–';
  const { nano_usd: nano = 0, unpriced_lines: unpriced = 0 } = spent;
  if (!nano) return unpriced ? 'no price known' : '$0';
  const dollars = nano / 1e9;
  const digits = Math.abs(dollars) < 0.01 ? 5 : Math.abs(dollars) < 1 ? 3 : 2;
  return `$${dollars.toFixed(digits)}${unpriced ? ' and more' : ''}`;
}

/** The share of packets that never came, of the worse direction; since `before`, where it is known. */
export function lossOf(call: CallQuality, before: CallQuality | null = null): number {
  const lost = call.packets_lost - (before?.packets_lost ?? 0);
  const came = call.packets_received - (before?.packets_received ?? 0);
  const peerLost = call.peer_packets_lost - (before?.peer_packets_lost ?? 0);
  const sent = call.packets_sent - (before?.packets_sent ?? 0);
  return Math.max(share(lost, came + lost), share(peerLost, sent));
}

function share(part: number, whole: number): number {
  return whole > 0 ? Math.min(1, Math.max(0, part / whole)) : 0;
}

export function percent(part: number): string {
  return `${(100 * part).toFixed(part > 0 && part < 0.1 ? 1 : 0)} %`;
}

/** "1.2 s", "340 ms". */
export function wait(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** "0:42", "1:02:03". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function limitOf(what: string): string {
  return LIMITS[what] ?? what;
}

/** "3 of 5", in dollars where it is a budget. */
export function usedOf({ what, used, limit }: { what: string; used: number; limit: number }) {
  const amount = (n: number) =>
    what.startsWith('tenant_') ? moneyOf({ nano_usd: 1e9 * n }) : String(n);
  return `${amount(used)} of ${amount(limit)}`;
}
