/** The way back to a session: its token, and how far this side has followed it. */

import type { Heard } from './audio/player';
import type { Resume, WireEvent, WireSession } from './protocol';
import { type HeardBefore, Unheard } from './unheard';

/** What a new connection shows of the one before. */
export interface Return {
  token: string;
  /** The last event that arrived; of a page that was loaded anew, the last that was heard. */
  after: string;
  conversationId: string;
  /** The RTP timestamp of the last packet that was played; null: not known, or this side counts. */
  played: number | null;
  /** The page was loaded anew, and has forgotten the items. */
  showItems: boolean;
  /** The conversation is to go on in another session. */
  newSession: boolean;
  heardBefore: HeardBefore;
}

/** What the tab keeps. */
interface Kept {
  token: string;
  after: string;
  conversationId: string;
  heardBefore: HeardBefore;
}

const PREFIX = 'antiphon.';
const NOTHING: HeardBefore = { items: {}, responses: {} };

export class Resumption {
  readonly #name: string | null;
  #token: string | null = null;
  #after = '';
  #conversationId = '';
  /** What came by this page's own connection. */
  #isFollowed = false;
  #isNewSession = false;
  #played: number | null = null;
  #unheard = new Unheard();
  #before: HeardBefore | null = null;
  #isWatching = false;

  /** `rememberAs`: the tab keeps it under this name, for the same page loaded anew. */
  constructor(rememberAs: string | undefined) {
    this.#name = rememberAs ? PREFIX + rememberAs : null;
    const kept = this.#read();
    if (!kept) return;
    this.#token = kept.token;
    this.#after = kept.after;
    this.#conversationId = kept.conversationId ?? '';
    this.#before = { ...NOTHING, ...kept.heardBefore };
  }

  /** Null: there is nothing to come back to. */
  get wanted(): Return | null {
    if (!this.#token) return null;
    return {
      token: this.#token,
      after: this.#after,
      conversationId: this.#conversationId,
      played: this.#played,
      showItems: !this.#isFollowed,
      newSession: this.#isNewSession,
      heardBefore: this.heardBefore ?? NOTHING,
    };
  }

  /** Of answers that are told again, since the page was loaded anew; null: it was not. */
  get heardBefore(): HeardBefore | null {
    return this.#before;
  }

  /** `isOurs`: this side plays what is said. */
  received(event: WireEvent, isOurs: boolean): void {
    const eventId = typeof event.event_id === 'string' ? event.event_id : '';
    if (event.type === 'session.created') this.#greeted(event.session as WireSession | undefined);
    else this.#unheard.received(event, this.#after, isOurs, Date.now());
    if (eventId) this.#after = eventId;
    // Deltas come too often; from the event before them no more than their words comes twice.
    if (!event.type.endsWith('.delta')) this.#write();
  }

  /** The connection was; `played` as in `Return`. */
  lost(played: number | null): void {
    this.#played = played;
  }

  heard(heard: Heard): void {
    this.#unheard.heard(heard);
  }

  ended({ itemId }: Heard): void {
    this.#unheard.ended(itemId);
    this.#write();
  }

  /** The rest of what was being said is not meant to be heard. */
  silenced(): void {
    this.#unheard.silenced();
    this.#write();
  }

  /** Wants another session for the same conversation. */
  leaveSession(): void {
    this.#isNewSession = true;
  }

  /** This page may go on with it; one that is loaded anew begins anew. */
  leave(): void {
    if (!this.#name) return;
    this.#store(() => sessionStorage.removeItem(this.#name ?? ''));
    globalThis.removeEventListener?.('pagehide', this.#write);
    this.#isWatching = false;
  }

  /** There is nothing to come back to. */
  forget(): void {
    this.#token = null;
    this.#isFollowed = false;
    this.#before = null;
    this.#unheard = new Unheard();
    this.leave();
  }

  #greeted(session: WireSession | undefined): void {
    const resume = resumeOf(session);
    this.#token = resume?.token ?? null;
    this.#conversationId = resume?.conversation_id ?? '';
    if (this.#isFollowed) this.#before = null;
    if (resume?.continues !== 'session') this.#unheard = new Unheard();
    this.#isFollowed = true;
    this.#isNewSession = false;
    this.#played = null;
    if (!this.#name || this.#isWatching) return;
    this.#isWatching = true;
    globalThis.addEventListener?.('pagehide', this.#write);
  }

  #read(): Kept | null {
    try {
      const kept = this.#name ? JSON.parse(sessionStorage.getItem(this.#name) ?? 'null') : null;
      const isWhole = typeof kept?.token === 'string' && typeof kept.after === 'string';
      return isWhole ? kept : null;
    } catch {
      return null; // Pages without storage, and what others wrote there.
    }
  }

  #write = (): void => {
    const name = this.#name;
    if (!name || !this.#token) return;
    const kept: Kept = {
      token: this.#token,
      after: this.#unheard.cursor ?? this.#after,
      conversationId: this.#conversationId,
      heardBefore: this.#unheard.heardBefore(Date.now()),
    };
    this.#store(() => sessionStorage.setItem(name, JSON.stringify(kept)));
  };

  #store(write: () => void): void {
    try {
      write();
    } catch {
      // A page without storage goes on without it.
    }
  }
}

/** Whether this tab has a way back under that name (`rememberAs`): the page was loaded anew. */
export function remembers(name: string): boolean {
  return new Resumption(name).wanted !== null;
}

/** What a server that keeps conversations says of coming back. */
export function resumeOf(session: WireSession | null | undefined): Resume | null {
  return session?.antiphon?.resume ?? null;
}
