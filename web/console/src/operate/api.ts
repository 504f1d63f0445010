/** What an operator may see and do; all of it is HTTP (docs/guides/operate.md). */

import type { ServerEvent } from '@antiphon/react';
import { ServerApi } from '../server-api';
import { eventsIn } from './event-stream';

export interface CallQuality {
  packets_received: number;
  packets_lost: number;
  packets_sent: number;
  peer_packets_lost: number;
  jitter_s: number;
  peer_jitter_s: number;
  rtt_s: number | null;
}

export interface SupervisedSession {
  id: string;
  type: string;
  conversation_id: string;
  model: string | null;
  engine: string;
  transport: string;
  state: 'idle' | 'user_speaking' | 'responding' | 'ended';
  /** Seconds since 1970. */
  began_at: number;
  expires_at: number;
  tenant: string;
  user: string | null;
  key: string | null;
  cost: { nano_usd: number; unpriced_lines: number } | null;
  muted: boolean;
  quality: { latency_ms: number | null; call: CallQuality | null };
  connections: { id: string; role: 'owner' | 'sideband' }[];
}

export interface Spent {
  nano_usd: number;
  unpriced_lines: number;
}

export interface Tenant {
  tenant: string;
  sessions: number;
  today: Spent | null;
  month: Spent | null;
  limits: { what: string; used: number; limit: number }[];
}

export interface RecentError {
  at: number;
  source: 'server' | 'engine' | 'client';
  level: 'warning' | 'error';
  message: string;
  session_id: string | null;
  tenant: string | null;
}

export interface Health {
  status: 'ok' | 'draining';
  version: string;
  sessions: number;
  max_sessions: number;
  lateness_ms: number;
}

/** The last of a stream of captions. */
export interface CaptionsEnded {
  type: 'antiphon.captions.ended';
  reason: 'session_ended' | 'key_revoked' | 'too_slow';
}

export class OperateApi {
  readonly #server: ServerApi;
  readonly #health: string;

  constructor(url: string, key: string) {
    this.#server = new ServerApi(url, key, 'this page', 'operate');
    this.#health = `${url.replace(/\/v1$/, '')}/healthz`;
  }

  sessions(signal: AbortSignal): Promise<{ data: SupervisedSession[] }> {
    return this.#server.ask('sessions', { signal });
  }

  tenants(signal: AbortSignal): Promise<{ data: Tenant[] }> {
    return this.#server.ask('tenants', { signal });
  }

  errors(signal: AbortSignal): Promise<{ data: RecentError[] }> {
    return this.#server.ask('errors', { signal });
  }

  /** Null where it cannot be had: it is no part of the API. */
  async health(signal: AbortSignal): Promise<Health | null> {
    const answer = await fetch(this.#health, { signal }).catch(() => null);
    return answer?.ok ? answer.json() : null;
  }

  instruct(id: string, instructions: string, answer: boolean): Promise<{ answers: boolean }> {
    return this.#do(id, 'instruct', { instructions, answer });
  }

  move(id: string, model: string): Promise<SupervisedSession> {
    return this.#do(id, 'move', { model });
  }

  mute(id: string, muted: boolean): Promise<SupervisedSession> {
    return this.#do(id, 'mute', { muted });
  }

  hangUp(id: string): Promise<unknown> {
    return this.#do(id, 'hangup', {});
  }

  /** What was said, then what is being said, until the session or the signal ends it. */
  async *captions(id: string, signal: AbortSignal): AsyncGenerator<ServerEvent | CaptionsEnded> {
    const answer = await this.#server.fetch(`sessions/${encodeURIComponent(id)}/captions`, {
      signal,
    });
    if (!answer.ok || !answer.body) {
      throw this.#server.refusal(answer.status, await answer.json().catch(() => null));
    }
    for await (const data of eventsIn(answer.body)) yield JSON.parse(data);
  }

  #do<Answer>(id: string, deed: string, body: object): Promise<Answer> {
    const path = `sessions/${encodeURIComponent(id)}/${deed}`;
    return this.#server.ask(path, { method: 'POST', body });
  }
}
