import type { ConversationItem, VoiceSessionOptions } from '@antiphon/client';
import { RealtimeVoiceSession, VoiceError } from '@antiphon/client';
import { act, cleanup, fireEvent, render, renderHook, screen } from '@testing-library/react';
import { StrictMode } from 'react';
import { afterEach, expect, test, vi } from 'vitest';
import { type RealtimeVoice, useRealtimeVoiceSession, VoicePanel } from '../src';

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

/** What a page that is in the middle of a conversation has. */
function voice(more: Partial<RealtimeVoice> = {}): RealtimeVoice {
  const session = new RealtimeVoiceSession();
  return { ...session.getSnapshot(), session, state: 'listening', microphone: 'on', ...more };
}

const said = (more: object): ConversationItem => ({
  type: 'message',
  id: 'a',
  role: 'assistant',
  source: 'spoken',
  text: 'Good morning.',
  heard: 'Good',
  unheard: ' morning.',
  interrupted: true,
  images: [],
  status: 'completed',
  transcribing: false,
  atMs: 0,
  ...more,
});

test('what was not heard is struck through', () => {
  render(<VoicePanel voice={voice({ items: [said({})] })} />);
  expect(document.querySelector('s')?.textContent).toBe(' morning.');
  expect(document.querySelector('[aria-live]')?.textContent).toBe('Agent: Good');
});

test.each([
  ['Not understood', { role: 'user' }],
  ['…', { role: 'user', transcribing: true }],
  ['Not heard', {}],
  ['…', { status: 'in_progress' }],
])('a message without words says why: %s', (why, more) => {
  const item = said({ text: '', heard: '', unheard: '', interrupted: false, ...more });
  render(<VoicePanel voice={voice({ items: [item] })} />);
  expect(document.querySelector('.antiphon-words')?.textContent).toBe(why);
});

test('words are not read out before the message is whole', () => {
  const item = said({ status: 'in_progress', interrupted: false, unheard: '' });
  render(<VoicePanel voice={voice({ items: [item] })} />);
  expect(document.querySelector('[aria-live]')?.textContent).toBe('');
});

test('an error says what to do, with the button that does it', () => {
  const blocked = voice({ error: new VoiceError('autoplay-blocked'), audioBlocked: true });
  const resume = vi.spyOn(blocked.session, 'resumeAudio').mockResolvedValue();
  render(<VoicePanel voice={blocked} />);
  expect(screen.getByRole('alert').textContent).toContain(blocked.error?.hint);
  fireEvent.click(screen.getByText('Turn the sound on'));
  expect(resume).toHaveBeenCalled();
});

test('an error shows the server’s own words', () => {
  const error = new VoiceError('protocol', { detail: 'Invalid value: 7 for speed.' });
  render(<VoicePanel voice={voice({ error })} />);
  expect(screen.getByRole('alert').textContent).toContain('Invalid value: 7 for speed.');
});

test('the talk button is held by key and by touch', () => {
  const serverSession = { audio: { input: { turn_detection: null } } };
  const byHand = voice({ serverSession });
  const press = vi.spyOn(byHand.session, 'pressToTalk');
  const release = vi.spyOn(byHand.session, 'releaseToTalk');
  render(<VoicePanel voice={byHand} />);
  const button = screen.getByText('Hold to talk');
  button.setPointerCapture = () => {};
  fireEvent.keyDown(button, { key: ' ' });
  fireEvent.keyDown(button, { key: ' ', repeat: true });
  fireEvent.keyUp(button, { key: ' ' });
  expect(press).toHaveBeenCalledTimes(1);
  expect(release).toHaveBeenCalledTimes(1);
  fireEvent.pointerDown(button, { pointerId: 1 });
  fireEvent.pointerUp(button, { pointerId: 1 });
  expect(press).toHaveBeenCalledTimes(2);
  expect(release).toHaveBeenCalledTimes(2);
});

test('typing sends, and Escape interrupts', () => {
  const speaking = voice({ state: 'speaking', activity: 'speaking' });
  const send = vi.spyOn(speaking.session, 'sendText').mockReturnValue();
  const interrupt = vi.spyOn(speaking.session, 'interrupt').mockReturnValue();
  render(<VoicePanel voice={speaking} />);
  const input = screen.getByLabelText('Message');
  fireEvent.change(input, { target: { value: 'hello' } });
  fireEvent.submit(input.closest('form') as HTMLFormElement);
  expect(send).toHaveBeenCalledWith('hello');
  expect((input as HTMLInputElement).value).toBe('');
  fireEvent.keyDown(input, { key: 'Escape' });
  expect(interrupt).toHaveBeenCalled();
});

test('a session lives as long as its component, also in strict mode', () => {
  const close = vi.spyOn(RealtimeVoiceSession.prototype, 'close');
  const { result, unmount } = renderHook(() => useRealtimeVoiceSession({}), {
    wrapper: StrictMode,
  });
  expect(result.current.state).toBe('idle');
  const closed = close.mock.calls.length;
  unmount();
  expect(close.mock.calls.length).toBeGreaterThan(closed);
});

test('what changes goes to the session, and what does not, does not', async () => {
  const initialProps: VoiceSessionOptions = { url: '/v1', session: { voice: 'ash' } };
  const { result, rerender } = renderHook(
    (props: VoiceSessionOptions) => useRealtimeVoiceSession(props),
    { initialProps },
  );
  const { session } = result.current;
  const update = vi.spyOn(session, 'updateSession');
  const reconfigure = vi.spyOn(session, 'reconfigure');
  const setTools = vi.spyOn(session, 'setTools');
  rerender({ url: '/v1', session: { voice: 'ash' } });
  expect([update, reconfigure, setTools].map((spy) => spy.mock.calls.length)).toEqual([0, 0, 0]);
  await act(async () =>
    rerender({
      url: '/v1',
      codec: 'pcmu',
      session: { voice: 'ash', speed: 1.2 },
      tools: [{ name: 'now', run: () => 'noon' }],
    }),
  );
  expect(update).toHaveBeenCalledWith({ voice: 'ash', speed: 1.2 });
  expect(reconfigure).toHaveBeenCalledWith({ url: '/v1', codec: 'pcmu' });
  expect(setTools).toHaveBeenCalledWith([expect.objectContaining({ name: 'now' })]);
  expect(result.current.session).toBe(session);
});
