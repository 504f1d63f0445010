/**
 * <voice-dock>: talk or type to an agent whose backend lets the page in and runs the agent's tools.
 * What the example pages share; a `change` event tells of each new snapshot.
 */

import { RealtimeVoiceSession, remembers } from '/antiphon-client/index.js';

const LABELS = {
  idle: 'Talk',
  closed: 'Talk',
  connecting: 'Connecting',
  reconnecting: 'Reconnecting',
  listening: 'Listening',
  thinking: 'Thinking',
  speaking: 'Speaking',
  'text-only': 'Use voice',
};
const SHOWN_LINES = 4;
/** What the tab keeps of the call, for this page loaded anew. */
const CALL = location.pathname;
const VISIT = 'visit';
const MODE = 'mode';

const PARTS = `
  <ol class="dock-captions" role="log" aria-label="What was said"></ol>
  <p class="dock-notice" role="alert"></p>
  <div class="dock-controls">
    <button class="dock-talk" type="button">
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <rect x="9" y="2.5" width="6" height="11.5" rx="3" />
        <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3.5" />
        <path class="slash" d="M4 3l16 18" />
      </svg>
      <span class="dock-label"></span>
    </button>
    <form class="dock-form">
      <label class="hidden" for="dock-words">Message</label>
      <input id="dock-words" autocomplete="off" placeholder="Or type" />
      <button type="submit">Send</button>
    </form>
    <button class="dock-end" type="button" hidden>End</button>
  </div>`;

export class VoiceDock extends HTMLElement {
  #session = null;
  #letIn;
  #join;
  #visit = null;
  #joined = null;

  connectedCallback() {
    this.innerHTML = PARTS;
    this.#part('talk').onclick = () => this.#talk();
    this.#part('end').onclick = () => this.#session.close();
    this.#part('form').onsubmit = (submission) => this.#type(submission);
    this.#show();
    const draw = () => {
      const { outputLevel = 0, inputLevel = 0 } = this.#session ?? {};
      this.style.setProperty('--level', Math.max(outputLevel, inputLevel).toFixed(2));
      requestAnimationFrame(draw);
    };
    requestAnimationFrame(draw);
  }

  /**
   * `letIn(id)` asks the backend for { id, secret, url }, anew for each connection, of the same visit
   * where there is one; `join(id)` asks it into the session that was opened with the secret.
   */
  attendedBy({ letIn, join }) {
    this.#letIn = async () => {
      const visit = await letIn(sessionStorage.getItem(VISIT) ?? '');
      sessionStorage.setItem(VISIT, visit.id);
      return visit;
    };
    this.#join = join;
    // In the middle of a call the page was loaded anew: go on.
    if (remembers(CALL)) void this.begin(sessionStorage.getItem(MODE) ?? 'voice');
  }

  /** Null before the first conversation. */
  get snapshot() {
    return this.#session?.getSnapshot() ?? null;
  }

  get isLive() {
    return !['idle', 'closed'].includes(this.snapshot?.state ?? 'idle');
  }

  /** Ends the conversation and forgets it. */
  reset() {
    this.#session?.close();
    this.#session = null;
    sessionStorage.removeItem(VISIT);
    this.#show();
  }

  complain({ message, hint = '' }) {
    this.#part('notice').textContent = `${message} ${hint}`;
  }

  async begin(mode) {
    sessionStorage.setItem(MODE, mode);
    try {
      if (!this.#session) await this.#open(mode);
      else this.#session.reconfigure({ mode });
      await this.#session.connect();
      await this.#joined;
      return true;
    } catch (error) {
      this.#session?.close();
      this.complain(error);
      return false;
    }
  }

  async #open(mode) {
    let first = await this.#letIn();
    this.#session = new RealtimeVoiceSession({
      url: first.url,
      mode,
      rememberAs: CALL,
      session: null, // The backend has bound it to the secret.
      getSecret: async () => {
        this.#visit = first ?? (await this.#letIn());
        first = null;
        return this.#visit.secret;
      },
    });
    this.#session.subscribe(() => this.#show());
    this.#session.on('event', ({ event }) => {
      // Also of a connection that was lost, where it did not come back to the session.
      if (event.type !== 'session.created') return;
      if (event.session.antiphon?.resume?.continues === 'session') return;
      this.#joined = this.#join(this.#visit.id);
      this.#joined.catch((error) => this.complain(error));
    });
  }

  async #talk() {
    const { state, audioBlocked, microphone, muted } = this.snapshot ?? {};
    if (!this.isLive) {
      const isNew = !this.snapshot?.items.length;
      if ((await this.begin('voice')) && isNew) this.#session.respond();
    } else if (audioBlocked) void this.#session.resumeAudio();
    else if (microphone === 'on') this.#session.setMuted(!muted);
    else if (state !== 'connecting') void this.#session.setMode('voice').catch(() => {});
  }

  async #type(submission) {
    submission.preventDefault();
    const input = this.querySelector('#dock-words');
    const words = input.value.trim();
    if (!words) return;
    const asked = new CustomEvent('type', { detail: words, cancelable: true });
    // A page may send it another way.
    if (!this.dispatchEvent(asked)) input.value = '';
    else if (this.isLive || (await this.begin('text'))) {
      input.value = '';
      this.#session.sendText(words);
    }
  }

  #show() {
    const { snapshot } = this;
    const { error, muted, microphone, items = [], state = 'idle' } = snapshot ?? {};
    this.dataset.state = state;
    this.toggleAttribute('data-muted', this.isLive && (muted || microphone !== 'on'));
    this.#part('label').textContent = this.#label;
    this.#part('talk').setAttribute('aria-pressed', String(this.isLive && !muted));
    this.#part('end').hidden = !this.isLive;
    this.#part('notice').textContent = error ? `${error.message} ${error.hint}` : '';
    // Where the agent is not heard a screen reader reads it.
    this.#part('captions').ariaLive = snapshot?.mode === 'text' ? 'polite' : 'off';
    this.#part('captions').replaceChildren(...captionLines(items).slice(-SHOWN_LINES));
    this.dispatchEvent(new CustomEvent('change', { detail: snapshot }));
  }

  get #label() {
    const { audioBlocked, muted, state = 'idle' } = this.snapshot ?? {};
    if (audioBlocked) return 'Sound on';
    return muted && this.isLive ? 'Muted' : LABELS[state];
  }

  #part(name) {
    return this.querySelector(`.dock-${name}`);
  }
}

/** What was said and heard, and struck through what an interruption cut off. */
function captionLines(items) {
  return items
    .filter((item) => item.type === 'message' && (item.heard || item.unheard || item.transcribing))
    .map(({ role, heard, unheard, transcribing }) => {
      const line = document.createElement('li');
      line.className = role;
      const cut = document.createElement('s');
      cut.textContent = unheard;
      line.append(heard || (transcribing ? '…' : ''), cut);
      return line;
    });
}

customElements.define('voice-dock', VoiceDock);

export async function post(path, options = {}) {
  const answer = await fetch(path, { method: 'POST', ...options });
  if (!answer.ok) throw new Error((await answer.text()) || `The backend says ${answer.status}.`);
  return answer.status === 204 ? null : answer.json();
}
