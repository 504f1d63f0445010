/** Asking the server for what is beyond OpenAI's API. */

/** Why the server does not tell; `message` is for people. */
export class Refusal extends Error {
  readonly wantsKey: boolean;
  /** It is there, and this key may not see it. */
  readonly lacksScope: boolean;

  constructor(message: string, { wantsKey = false, lacksScope = false } = {}) {
    super(message);
    this.wantsKey = wantsKey;
    this.lacksScope = lacksScope;
  }
}

export interface Asking {
  method?: 'GET' | 'POST' | 'DELETE';
  body?: unknown;
  signal?: AbortSignal;
}

/** `url`: the API's base; `key`: of the server, empty where it has none. */
export class ServerApi {
  readonly #url: string;
  readonly #key: string;
  /** What is shown to whom has the key, as "conversations", and the scope that the key must have. */
  readonly #shown: string;
  readonly #scope: string;

  constructor(url: string, key: string, shown: string, scope: string) {
    this.#url = `${url}/antiphon`;
    this.#key = key;
    this.#shown = shown;
    this.#scope = scope;
  }

  /** Throws: Refusal. */
  async fetch(path: string, { method = 'GET', body, signal }: Asking = {}): Promise<Response> {
    const headers: Record<string, string> = {};
    if (this.#key) headers.Authorization = `Bearer ${this.#key}`;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const init: RequestInit = { method, headers };
    if (body !== undefined) init.body = JSON.stringify(body);
    if (signal) init.signal = signal;
    try {
      return await fetch(`${this.#url}/${path}`, init);
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Refusal('The server cannot be reached.');
    }
  }

  /** Throws: Refusal. */
  async ask<Answer>(path: string, asking: Asking = {}): Promise<Answer> {
    const answer = await this.fetch(path, asking);
    const body = await answer.json().catch(() => null);
    if (answer.ok && body) return body;
    throw this.refusal(answer.status, body);
  }

  /** What an answer that is none says, for people. */
  refusal(status: number, body: { error?: { message?: string; code?: string } } | null): Refusal {
    const told = body?.error?.message;
    const lacksScope = body?.error?.code === 'insufficient_scope';
    if (status === 401) {
      const whose = `those who have its key, with the scope '${this.#scope}'`;
      const what = this.#key ? 'The server does not know this key. It' : 'The server';
      return new Refusal(`${what} shows ${this.#shown} only to ${whose}.`, { wantsKey: true });
    }
    if (lacksScope) {
      const remedy = "Use one that has it; 'antiphon keys create --scope' makes one.";
      const problem = `This key lacks the scope '${this.#scope}'. ${remedy}`;
      return new Refusal(problem, { wantsKey: true, lacksScope });
    }
    return new Refusal(told ?? `The server answered with ${status}.`);
  }
}
