import { afterEach, describe, expect, it, vi } from 'vitest';
import { ConversationsApi } from '../src/conversations/api';
import { ServerApi } from '../src/server-api';

const LACKS = {
  error: {
    code: 'insufficient_scope',
    message: "This key lacks the scope 'sideband' or 'operate'.",
  },
};

function answering(status: number, body: unknown) {
  const fetch = vi.fn<typeof globalThis.fetch>(async () => Response.json(body, { status }));
  vi.stubGlobal('fetch', fetch);
  return fetch;
}

afterEach(() => vi.unstubAllGlobals());

describe('a server that does not tell', () => {
  const api = (key: string) => new ServerApi('http://there/v1', key, 'this page', 'operate');

  it('says which key it wants, and whether it knows this one', async () => {
    answering(401, { error: { code: 'invalid_api_key', message: 'Incorrect.' } });
    const wanted = "this page only to those who have its key, with the scope 'operate'.";
    await expect(api('').ask('sessions')).rejects.toMatchObject({
      message: `The server shows ${wanted}`,
      wantsKey: true,
      lacksScope: false,
    });
    await expect(api('k').ask('sessions')).rejects.toMatchObject({
      message: `The server does not know this key. It shows ${wanted}`,
    });
  });

  it('says which scope a key lacks', async () => {
    answering(403, LACKS);
    await expect(api('k').ask('sessions')).rejects.toMatchObject({
      message:
        "This key lacks the scope 'operate'. Use one that has it; " +
        "'antiphon keys create --scope' makes one.",
      wantsKey: true,
      lacksScope: true,
    });
  });

  it('says what is wrong where it is not the key', async () => {
    answering(404, { error: { code: 'session_not_found', message: 'No live session.' } });
    await expect(api('k').ask('sessions')).rejects.toMatchObject({
      message: 'No live session.',
      wantsKey: false,
    });
    answering(502, null);
    await expect(api('k').ask('sessions')).rejects.toThrow('The server answered with 502.');
  });
});

describe('asking', () => {
  it('shows the key and sends what is asked for', async () => {
    const fetch = answering(200, { answers: true });
    const api = new ServerApi('http://there/v1', 'k', 'this page', 'operate');
    await api.ask('sessions/s/instruct', { method: 'POST', body: { instructions: 'Hm.' } });
    const [url, init] = fetch.mock.calls[0] ?? [];
    expect(url).toBe('http://there/v1/antiphon/sessions/s/instruct');
    expect(init).toMatchObject({
      method: 'POST',
      body: '{"instructions":"Hm."}',
      headers: { Authorization: 'Bearer k' },
    });
  });
});

describe('conversations', () => {
  it('are read by who may not see who is live', async () => {
    answering(403, LACKS);
    expect(await new ConversationsApi('http://there/v1', 'k').live()).toBe(null);
    answering(401, null);
    await expect(new ConversationsApi('http://there/v1', '').live()).rejects.toThrow("'read'");
  });
});
