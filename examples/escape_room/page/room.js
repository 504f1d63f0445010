/** The escape room: a conversation, and what the room shows of it. */

import { RealtimeVoiceSession, remembers } from '/antiphon-client/index.js';
import { Game } from './game.js';
import { byId, playedTime, showCaptions, showLock, showNotebook, turnDials } from './scene.js';
import { drawVoices } from './voices.js';

/** What the tab keeps of the game, for this page loaded anew. */
const GAME = 'game';
const CODE = 'code';

let session = null;
let startedAtMs = 0;
let mode = 'voice';

async function enter(chosenMode) {
  mode = chosenMode;
  enterPhase('connecting');
  turnDials('');
  byId('clock').textContent = playedTime(0);
  byId('trouble').textContent = '';
  try {
    const game = await post('/games');
    startedAtMs = Date.now();
    sessionStorage.removeItem(CODE);
    sessionStorage.setItem(GAME, JSON.stringify({ ...game, startedAtMs, mode }));
    await open(game);
    session.respond(); // The puzzle master speaks first.
    enterPhase('playing');
    byId(mode === 'voice' ? 'talk' : 'words').focus();
  } catch (error) {
    leave();
    byId('trouble').textContent = `${error.message} ${error.hint ?? ''}`;
  }
}

/** The page was loaded anew in the middle of a game. */
async function comeBack() {
  const game = JSON.parse(sessionStorage.getItem(GAME) ?? 'null');
  if (!game || !remembers(GAME)) return;
  ({ startedAtMs, mode } = game);
  enterPhase('connecting');
  try {
    await open(game);
    enterPhase('playing');
  } catch (error) {
    leave();
    byId('trouble').textContent = `${error.message} ${error.hint ?? ''}`;
  }
}

/**
 * Where the puzzle master's functions run is all that the two builds differ in. Everything else of
 * the session was bound by the backend to the secret, and `session: null` leaves it so.
 */
async function open({ id, url, tool }) {
  const isOurs = tool === 'browser';
  const tools = isOurs ? (await ownGame()).tools() : [];
  session = new RealtimeVoiceSession({
    url,
    mode,
    session: null,
    rememberAs: GAME,
    tools,
    getSecret: async () => (await post(`/games/${id}/secret`)).value,
  });
  window.voice = session; // For the console: voice.log.entries()
  session.subscribe(show);

  // On the server someone must know of each session, also where a lost connection led to another.
  let joined;
  session.on('event', ({ event }) => {
    if (event.type !== 'session.created' || isOurs) return;
    if (event.session.antiphon?.resume?.continues !== 'session') joined = post(`/games/${id}/join`);
  });
  await session.connect();
  await joined;
}

/** The browser build's own, also after the page was loaded anew. */
async function ownGame() {
  const game = new Game(await get('/riddles.json'), sessionStorage.getItem(CODE));
  sessionStorage.setItem(CODE, game.code);
  return game;
}

function leave() {
  session?.close();
  session = null;
  enterPhase('lobby');
}

function show() {
  if (!session) return;
  const snapshot = session.getSnapshot();
  const { riddles, guesses } = playedSoFar(snapshot.items);
  showCaptions(snapshot);
  showNotebook(riddles, guesses);
  showLock(guesses);
  showControls(snapshot);
  if (guesses.at(-1)?.success && phase() === 'playing') win(guesses);
}

/** The function calls are items of the conversation, whoever answers them. */
function playedSoFar(items) {
  const riddles = new Map();
  const guesses = [];
  for (const call of items) {
    if (call.type !== 'tool_call' || !call.output) continue;
    const output = JSON.parse(call.output);
    if (output.error) continue;
    if (call.name === 'riddle') {
      riddles.delete(output.dial); // The newest comes last.
      riddles.set(output.dial, output.riddle);
    } else {
      guesses.push({ ...output, ...JSON.parse(call.arguments), atMs: call.atMs });
    }
  }
  return { riddles, guesses };
}

function showControls({ state, activity, muted, microphone, error, audioBlocked }) {
  const { body } = document;
  const isAway = state === 'reconnecting' || state === 'closed';
  body.dataset.activity = isAway ? 'away' : activity;
  const hasVoice = microphone === 'on';
  body.toggleAttribute('data-muted', muted || !hasVoice);
  byId('talk').setAttribute('aria-pressed', String(hasVoice && !muted));
  byId('talk-label').textContent = talkLabel({ state, activity, muted, hasVoice, audioBlocked });
  byId('notice').textContent = error ? `${error.message} ${error.hint}` : '';
}

function talkLabel({ state, activity, muted, hasVoice, audioBlocked }) {
  if (state === 'reconnecting') return 'One moment';
  if (state === 'closed') return 'Cut off';
  if (audioBlocked) return 'Sound on';
  if (!hasVoice) return 'Use voice';
  if (muted) return 'Muted';
  return { listening: 'Listening', thinking: 'Thinking', speaking: 'Speaking' }[activity];
}

function win(guesses) {
  const { guess, atMs } = guesses.at(-1);
  byId('won-code').textContent = guess;
  byId('clock').textContent = byId('won-time').textContent = playedTime(atMs - startedAtMs);
  byId('won-guesses').textContent = guesses.length;
  enterPhase('won');
  byId('again').focus({ preventScroll: true });
}

function talk() {
  if (!session) return;
  const { audioBlocked, microphone, muted, state } = session.getSnapshot();
  if (state === 'closed') return leave();
  if (audioBlocked) void session.resumeAudio();
  else if (microphone === 'on') session.setMuted(!muted);
  else void session.setMode('voice').catch(() => {}); // The notice says what is wrong.
}

function say(submission) {
  submission.preventDefault();
  const words = byId('words');
  session?.sendText(words.value);
  words.value = '';
}

/** A line of the notebook is a way to ask, too. */
function askForRiddle({ target }) {
  const dial = target.closest('button')?.value;
  if (dial) session?.sendText(`dial ${dial}`);
}

function playAgain() {
  session.close();
  void enter(mode);
}

function enterPhase(next) {
  document.body.dataset.phase = next;
}

function phase() {
  return document.body.dataset.phase;
}

async function post(path) {
  return read(await fetch(path, { method: 'POST' }));
}

async function get(path) {
  return read(await fetch(path));
}

async function read(answer) {
  if (!answer.ok) throw new Error(`The house does not answer (${answer.status}).`);
  return answer.status === 204 ? null : answer.json();
}

byId('enter').onclick = () => enter('voice');
byId('enter-silently').onclick = () => enter('text');
byId('talk').onclick = talk;
byId('type').onsubmit = say;
byId('riddles').onclick = askForRiddle;
byId('leave').onclick = leave;
byId('again').onclick = playAgain;
drawVoices(() => session);
void comeBack();
setInterval(() => {
  if (phase() === 'playing') byId('clock').textContent = playedTime(Date.now() - startedAtMs);
}, 1000);
