/** The way back to a session: its token, and how far this side has followed it. */

import type { Resume, WireEvent, WireSession } from './protocol';

/** What a new connection shows of the one before. */
export interface Return {
  token: string;
  /** The last event that arrived. */
  after: string;
  /** The page was loaded anew, and has forgotten the items. */
  showItems: boolean;
  /** The conversation is to go on in another session. */
  newSession: boolean;
}

const PREFIX = 'antiphon.';

export class Resumption {
  readonly #name: string | null;
  #token: string | null = null;
  #after = '';
  /** What came by this page's own connection. */
  #isFollowed = false;
  #isNewSession = false;

  /** `rememberAs`: the tab keeps it under this name, for the same page loaded anew. */
  constructor(rememberAs: string | undefined) {
    this.#name = rememberAs ? PREFIX + rememberAs : null;
    const kept = this.#read();
    if (!kept) return;
    this.#token = kept.token;
    this.#after = kept.after;
  }

  /** Null: there is nothing to come back to. */
  get wanted(): Return | null {
    if (!this.#token) return null;
    return {
      token: this.#token,
      after: this.#after,
      showItems: !this.#isFollowed,
      newSession: this.#isNewSession,
    };
  }

  received(event: WireEvent): void {
    const eventId = typeof event.event_id === 'string' ? event.event_id : '';
    if (event.type === 'session.created') {
      this.#token = resumeOf(event.session as WireSession | undefined)?.token ?? null;
      this.#isFollowed = true;
      this.#isNewSession = false;
    }
    if (eventId) this.#after = eventId;
    // Deltas come too often; from the event before them no more than their words comes twice.
    if (!event.type.endsWith('.delta')) this.#write();
  }

  /** Wants another session for the same conversation. */
  leaveSession(): void {
    this.#isNewSession = true;
  }

  /** This page may go on with it; one that is loaded anew begins anew. */
  leave(): void {
    if (this.#name) this.#store(() => sessionStorage.removeItem(this.#name ?? ''));
  }

  /** There is nothing to come back to. */
  forget(): void {
    this.#token = null;
    this.#isFollowed = false;
    this.leave();
  }

  #read(): { token: string; after: string } | null {
    try {
      const kept = this.#name ? JSON.parse(sessionStorage.getItem(this.#name) ?? 'null') : null;
      const isWhole = typeof kept?.token === 'string' && typeof kept.after === 'string';
      return isWhole ? kept : null;
    } catch {
      return null; // Pages without storage, and what others wrote there.
    }
  }

  #write(): void {
    const name = this.#name;
    if (!name || !this.#token) return;
    const kept = JSON.stringify({ token: this.#token, after: this.#after });
    this.#store(() => sessionStorage.setItem(name, kept));
  }

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
