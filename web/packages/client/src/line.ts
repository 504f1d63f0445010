/** The connection over time: opened, lost, opened again. */

import type { Player } from './audio/player';
import type { Configuration } from './configuration';
import type { Connection, ConnectionListener } from './connection/connection';
import { openConnection } from './connection/connector';
import { asVoiceError, isNoWayBack, NO_SECRET, VoiceError } from './errors';
import { type QualitySample, qualityBetween } from './quality';
import { delayMs, RECONNECT } from './reconnect';
import { Resumption } from './resumption';
import type { SnapshotStore } from './store';
import type { HeardBefore } from './unheard';

const QUALITY_MS = 2000;
/** What trying again does not put right. */
const FINAL = new Set(['secret-expired', 'key-refused', 'taken-over', 'protocol']);

/** The one who is called back: whose line it is. */
export interface LineOwner extends Omit<ConnectionListener, 'lost'> {
  /** It is up: time to tell it the settings and the conversation. */
  introduce(connection: Connection): Promise<void>;
  opened(connection: Connection): void;
  /** A connection is gone, for now or for good. */
  dropped(): void;
  /** The first attempt to come back has failed. */
  away(): void;
  /** It will not come again by itself. */
  ended(error: VoiceError): void;
}

export class Line {
  connection: Connection | null = null;
  /** The agent can be heard. */
  hasAudio = true;
  /** The page wanted another session; the one before was not lost. */
  isRenewed = false;
  readonly #configuration: Configuration;
  readonly #store: SnapshotStore;
  readonly #owner: LineOwner;
  #life = new AbortController();
  #timer: ReturnType<typeof setInterval> | undefined;
  #sample: QualitySample | null = null;
  readonly #resumption: Resumption;
  /** Plays on what came before the connection was lost. */
  #player: Player | null = null;

  constructor(configuration: Configuration, store: SnapshotStore, owner: LineOwner) {
    this.#configuration = configuration;
    this.#resumption = new Resumption(configuration.options.rememberAs);
    this.#store = store;
    this.#owner = owner;
  }

  /** Aborts when the session is closed. */
  get signal(): AbortSignal {
    return this.#life.signal;
  }

  /** `prepare` comes first, and is waited for. Throws: VoiceError. */
  async open(prepare: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#life = new AbortController();
    const { signal } = this.#life;
    this.#store.update({ phase: 'connecting', error: null });
    try {
      await prepare(signal);
      await this.#establish(signal);
    } catch (reason) {
      if (signal.aborted) return;
      const error = asVoiceError(reason, 'server-away');
      this.#owner.ended(error);
      throw error;
    }
  }

  /** The server may still have the session when a connection is lost. */
  get canComeBack(): boolean {
    return this.#resumption.wanted !== null && this.#configuration.options.reconnect !== false;
  }

  /** What was heard of answers before the page was loaded anew; null: it was not. */
  get heardBefore(): HeardBefore | null {
    return this.#resumption.heardBefore;
  }

  /** The rest of what was being said is not meant to be heard. */
  silenced(): void {
    this.#resumption.silenced();
  }

  /** Another session in place of this one, for the same conversation. Throws: VoiceError. */
  async renew(): Promise<void> {
    this.#resumption.leaveSession();
    this.isRenewed = true;
    this.drop();
    await this.#reconnect(null);
  }

  close(): void {
    this.#life.abort();
    this.#resumption.leave();
    this.drop();
    this.#silence();
  }

  /** The next connection begins a conversation of its own. */
  forget(): void {
    this.#resumption.forget();
  }

  drop(): void {
    clearInterval(this.#timer);
    this.#sample = null;
    this.connection?.close();
    this.connection = null;
    this.#owner.dropped();
  }

  /** Waits; ends early when the session does. */
  pause(ms: number): Promise<void> {
    const { signal } = this.#life;
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      function done() {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
      signal.addEventListener('abort', done);
    });
  }

  async #establish(signal: AbortSignal): Promise<void> {
    const { connection, hasAudio } = await this.#openConnection(signal).catch((reason) => {
      if (!(reason instanceof VoiceError) || !isNoWayBack(reason)) throw reason;
      this.#resumption.forget();
      return this.#openConnection(signal);
    });
    if (signal.aborted) {
      connection.close();
      throw new VoiceError('server-away');
    }
    this.connection = connection;
    this.hasAudio = hasAudio;
    await this.#owner.introduce(connection);
    // It may have been lost meanwhile; then `lost` has seen to it.
    if (this.connection !== connection) return;
    this.#timer = setInterval(() => void this.#measure(), QUALITY_MS);
    void this.#measure();
    this.#owner.opened(connection);
  }

  /** What plays on is the connection's from now on, and ends with an attempt that fails. */
  async #openConnection(signal: AbortSignal) {
    const player = this.#player;
    this.#player = null;
    try {
      return await openConnection(
        this.#configuration.options,
        { back: this.#resumption.wanted, player },
        this.#listener(signal),
        signal,
        (error) => this.#store.report(error),
      );
    } catch (error) {
      player?.close();
      throw error;
    }
  }

  #silence(): void {
    this.#player?.close();
    this.#player = null;
  }

  #listener(signal: AbortSignal): ConnectionListener {
    const owner = this.#owner;
    const isOurs = () => this.connection?.kind === 'websocket';
    const unlessClosed = (act: () => void) => {
      if (!signal.aborted) act();
    };
    return {
      received: (event) =>
        unlessClosed(() => {
          this.#resumption.received(event, isOurs());
          owner.received(event);
        }),
      lost: (error, canRetry) => unlessClosed(() => this.#lost(error, canRetry)),
      silent: (error) => unlessClosed(() => owner.silent(error)),
      playbackStarted: (itemId) => unlessClosed(() => owner.playbackStarted(itemId)),
      playbackAt: (heard) =>
        unlessClosed(() => {
          this.#resumption.heard(heard);
          owner.playbackAt(heard);
        }),
      playbackEnded: (heard, isLast) =>
        unlessClosed(() => {
          this.#resumption.ended(heard);
          owner.playbackEnded(heard, isLast);
        }),
    };
  }

  #lost(error: VoiceError, canRetry: boolean): void {
    this.#player = this.connection?.releasePlayer() ?? null;
    this.#resumption.lost(this.connection?.playedTimestamp ?? null);
    this.isRenewed = false;
    this.drop();
    if (canRetry && this.#configuration.options.reconnect !== false) {
      // How it ends is told to the owner.
      this.#reconnect(error).catch(() => {});
    } else {
      this.#owner.ended(error);
    }
  }

  /** Tries until it works or has been tried often enough. `error`: why; null: it was asked for. */
  async #reconnect(error: VoiceError | null): Promise<void> {
    const { signal } = this.#life;
    const options = { ...RECONNECT, ...(this.#configuration.options.reconnect || {}) };
    this.#store.update({ phase: 'reconnecting' });
    if (error) this.#store.report(error);
    let failure = error ?? new VoiceError('server-away');
    for (let attempt = 0; attempt < options.maxAttempts; attempt++) {
      // A session that waits is come back to at once.
      const isUrgent = attempt === 0 && (!error || this.canComeBack);
      if (!isUrgent) await this.pause(delayMs(attempt, options, Math.random()));
      if (signal.aborted) return;
      try {
        await this.#establish(signal);
        return;
      } catch (reason) {
        if (signal.aborted) return;
        failure = asVoiceError(reason, 'server-away');
        // Nobody to come back to: what was being said is over, and its sound with the attempt.
        if (attempt === 0) this.#owner.away();
        if (FINAL.has(failure.kind) && failure.code !== NO_SECRET) break;
      }
    }
    this.#owner.ended(failure);
    throw failure;
  }

  async #measure(): Promise<void> {
    const { connection } = this;
    const sample = await connection?.sample(Date.now()).catch(() => null);
    if (!sample || connection !== this.connection) return;
    const before = this.#sample;
    this.#sample = sample;
    if (before) this.#store.update({ quality: qualityBetween(before, sample) });
  }
}
