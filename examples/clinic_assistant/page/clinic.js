/** One conversation with the clinic: written or spoken, kept by the backend. */

import { post } from '/look/voice-dock.js';

const byId = (id) => document.getElementById(id);
const dock = document.querySelector('voice-dock');

let token = sessionStorage.getItem('token');
let kept = [];
/** What was typed and is not answered yet. */
let pending = null;

dock.attendedBy({
  letIn: () => post('/voice', authorized()),
  join: (visit) => post(`/voice/${visit}/join`, authorized()),
});

// While the line is open, what is typed goes the same way as what is said.
dock.addEventListener('type', async (typed) => {
  if (dock.isLive) return;
  typed.preventDefault();
  await write(typed.detail);
});

byId('welcome').onclick = ({ target }) => {
  if (target.matches('button')) void write(target.textContent);
};

let wasLive = false;
dock.addEventListener('change', () => {
  if (wasLive && !dock.isLive) void hangUp();
  wasLive = dock.isLive;
  showThread();
});

async function write(text) {
  pending = { id: 'pending', type: 'message', role: 'user', text };
  showThread();
  try {
    show(await post('/conversation', authorized({ body: JSON.stringify({ text }) })));
  } catch (error) {
    dock.complain(error);
  } finally {
    pending = null;
    showThread();
  }
}

/** What was said is kept as far as it was heard. */
async function hangUp() {
  await refresh('/conversation?hung_up');
  dock.reset();
}

async function refresh(path = '/conversation') {
  const answer = await fetch(path, authorized());
  if (answer.status === 401) logOut();
  else if (answer.ok) show(await answer.json());
}

function show({ items, appointments }) {
  // What is being said is shown as it is heard, not as it is kept.
  if (!dock.isLive) kept = items;
  byId('appointments').replaceChildren(...appointments.map(appointmentLine));
  byId('no-appointments').hidden = appointments.length > 0;
  showThread();
}

function showThread() {
  const known = new Set(kept.map(({ id }) => id));
  const live = (dock.snapshot?.items ?? []).filter(({ id }) => !known.has(id));
  const lines = [...kept, ...live, ...(pending ? [pending] : [])].map(line).filter(Boolean);
  byId('welcome').hidden = lines.length > 0 || dock.isLive;
  const thread = byId('thread');
  thread.ariaLive = dock.isLive ? 'off' : 'polite'; // What is spoken need not be read.
  const before = thread.textContent;
  thread.replaceChildren(...lines);
  if (thread.textContent !== before) thread.lastElementChild?.scrollIntoView({ block: 'end' });
  noticeBookings(live);
}

let bookings = 0;

/** What is booked by voice shows at once. */
function noticeBookings(live) {
  const made = live.filter(({ name, output }) => name === 'book_appointment' && output).length;
  const isNew = made > bookings;
  bookings = made;
  if (isNew) void refresh();
}

/** `item`: kept by the backend, or of the live conversation. */
function line(item) {
  const said = item.text ?? '';
  const { role, spoken = item.source === 'spoken', heard = said, unheard = '' } = item;
  if (item.type !== 'message' || !(heard || unheard || item.transcribing)) return null;
  const made = document.createElement('li');
  made.className = role;
  const words = document.createElement('p');
  const cut = document.createElement('s');
  cut.textContent = unheard;
  words.append(heard || (item.transcribing ? '…' : ''), cut);
  made.append(words);
  if (spoken) {
    const mark = document.createElement('small');
    mark.textContent = 'by voice';
    made.append(mark);
  }
  return made;
}

function appointmentLine(at) {
  const made = document.createElement('li');
  const time = document.createElement('time');
  time.dateTime = at;
  const options = { weekday: 'long', day: 'numeric', month: 'long' };
  const day = new Intl.DateTimeFormat('en', options).format(new Date(at));
  const hour = new Intl.DateTimeFormat('en', { timeStyle: 'short' }).format(new Date(at));
  time.append(`${day}, `, Object.assign(document.createElement('b'), { textContent: hour }));
  made.append(time);
  return made;
}

// Who is there.

byId('login').onsubmit = async (submission) => {
  submission.preventDefault();
  byId('refused').textContent = '';
  const given = Object.fromEntries(new FormData(submission.target));
  try {
    const { token: granted, name } = await post('/login', { body: JSON.stringify(given) });
    token = granted;
    sessionStorage.setItem('token', token);
    sessionStorage.setItem('name', name);
    submission.target.reset();
    await enter();
  } catch (error) {
    byId('refused').textContent = error.message;
  }
};

byId('log-out').onclick = logOut;

async function enter() {
  document.body.dataset.place = 'inside';
  byId('patient').textContent = sessionStorage.getItem('name');
  await refresh();
}

function logOut() {
  token = null;
  kept = [];
  sessionStorage.clear();
  dock.reset();
  document.body.dataset.place = 'door';
}

function authorized(options = {}) {
  return { ...options, headers: { Authorization: `Bearer ${token}` } };
}

if (token) void enter();
