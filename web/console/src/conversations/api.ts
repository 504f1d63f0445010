/** What the server has of conversations, beside the one in this page. Beyond OpenAI's API. */

import type { WireItem } from '@antiphon/react';
import { Refusal, ServerApi } from '../server-api';

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

/** `url`: the API's base; `key`: of the server, empty where it has none. */
export class ConversationsApi {
  readonly #server: ServerApi;

  constructor(url: string, key: string) {
    this.#server = new ServerApi(url, key, 'conversations', 'read');
  }

  /** Null: this key reads what was kept, and does not see who is live. */
  async live(): Promise<LiveSession[] | null> {
    try {
      const { data } = await this.#server.ask<{ data: LiveSession[] }>('sessions');
      return data;
    } catch (error) {
      if (error instanceof Refusal && error.lacksScope) return null;
      throw error;
    }
  }

  /** Newest first, from the one after `after`. */
  kept(after: string | null): Promise<Page> {
    return this.#server.ask<Page>(
      `conversations${after ? `?after=${encodeURIComponent(after)}` : ''}`,
    );
  }

  whole(id: string): Promise<Whole> {
    return this.#server.ask<Whole>(`conversations/${encodeURIComponent(id)}`);
  }

  /** The ids of the sessions whose sound was recorded. */
  async recorded(id: string): Promise<string[]> {
    const path = `conversations/${encodeURIComponent(id)}/recordings`;
    const { data } = await this.#server.ask<{ data: { session_id: string }[] }>(path);
    return data.map((recording) => recording.session_id);
  }

  /** Both sides of a session, to be played. */
  async recording(id: string, sessionId: string): Promise<Blob> {
    const path = `conversations/${encodeURIComponent(id)}/recording`;
    const answer = await this.#server.fetch(`${path}?session_id=${encodeURIComponent(sessionId)}`);
    if (!answer.ok) throw new Refusal('The recording cannot be had.');
    return answer.blob();
  }

  async erase(id: string): Promise<void> {
    await this.#server.ask(`conversations/${encodeURIComponent(id)}`, { method: 'DELETE' });
  }
}
