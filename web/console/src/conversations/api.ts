/** What the server has of conversations, beside the one in this page. Beyond OpenAI's API. */

import type { WireItem } from '@antiphon/react';

export interface LiveSession {
  id: string;
  conversation_id: string;
  model: string | null;
  engine: string;
  transport: string;
  state: string;
  /** Seconds since 1970, as below. */
  began_at: number;
  end_user_id: string | null;
  connections: { id: string; role: string }[];
}

export interface Kept {
  id: string;
  model: string | null;
  engine: string;
  transport: string;
  end_user_id: string | null;
  began_at: number;
  changed_at: number;
}

export interface Whole {
  id: string;
  items: WireItem[];
  usage: { total_tokens?: number };
  sessions: { id: string }[];
}

export interface Page {
  data: Kept[];
  last_id: string | null;
  has_more: boolean;
}

/** Why the server does not tell; `message` is for people. */
export class Refusal extends Error {
  readonly wantsKey: boolean;

  constructor(message: string, { wantsKey = false } = {}) {
    super(message);
    this.wantsKey = wantsKey;
  }
}

/** `url`: the API's base; `key`: of the server, empty where it has none. */
export class ConversationsApi {
  readonly #url: string;
  readonly #headers: HeadersInit;

  constructor(url: string, key: string) {
    this.#url = `${url}/antiphon`;
    this.#headers = key ? { Authorization: `Bearer ${key}` } : {};
  }

  async live(): Promise<LiveSession[]> {
    const { data } = await this.#ask<{ data: LiveSession[] }>('sessions');
    return data;
  }

  /** Newest first, from the one after `after`. */
  kept(after: string | null): Promise<Page> {
    return this.#ask<Page>(`conversations${after ? `?after=${encodeURIComponent(after)}` : ''}`);
  }

  whole(id: string): Promise<Whole> {
    return this.#ask<Whole>(`conversations/${encodeURIComponent(id)}`);
  }

  /** The ids of the sessions whose sound was recorded. */
  async recorded(id: string): Promise<string[]> {
    const path = `conversations/${encodeURIComponent(id)}/recordings`;
    const { data } = await this.#ask<{ data: { session_id: string }[] }>(path);
    return data.map((recording) => recording.session_id);
  }

  /** Both sides of a session, to be played. */
  async recording(id: string, sessionId: string): Promise<Blob> {
    const path = `conversations/${encodeURIComponent(id)}/recording`;
    const answer = await this.#fetch(`${path}?session_id=${encodeURIComponent(sessionId)}`);
    if (!answer.ok) throw new Refusal('The recording cannot be had.');
    return answer.blob();
  }

  async erase(id: string): Promise<void> {
    await this.#ask(`conversations/${encodeURIComponent(id)}`, 'DELETE');
  }

  async #fetch(path: string, method = 'GET'): Promise<Response> {
    try {
      return await fetch(`${this.#url}/${path}`, { method, headers: this.#headers });
    } catch {
      throw new Refusal('The server cannot be reached.');
    }
  }

  /** Throws: Refusal. */
  async #ask<Answer>(path: string, method = 'GET'): Promise<Answer> {
    const answer = await this.#fetch(path, method);
    const body = await answer.json().catch(() => null);
    if (answer.ok && body) return body;
    if (answer.status === 401 || answer.status === 403) {
      throw new Refusal('The server shows conversations only to those who have its key.', {
        wantsKey: true,
      });
    }
    const told = body?.error?.message;
    throw new Refusal(told ?? `The server answered with ${answer.status}.`);
  }
}
