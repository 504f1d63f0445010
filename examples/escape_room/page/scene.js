/** What there is to see: the dials, the notebook, the captions. */

const DIALS = 4;
const FACES = ['✦', ...'0123456789'];
const NUMERALS = ['I', 'II', 'III', 'IV'];

export const byId = (id) => document.getElementById(id);

export function playedTime(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

const wheels = Array.from({ length: DIALS }, () => {
  const wheel = element('div', 'wheel');
  wheel.append(...FACES.map((face) => element('span', '', face)));
  const dial = element('div', 'dial');
  dial.append(wheel);
  byId('dials').append(dial);
  return wheel;
});

/** An empty code turns them to their stars. */
export function turnDials(code) {
  wheels.forEach((wheel, place) => {
    wheel.style.setProperty('--face', FACES.indexOf(code[place] ?? '✦'));
  });
}

let announced = 0;

export function showLock(guesses) {
  if (guesses.length === announced) return;
  announced = guesses.length;
  const last = guesses.at(-1);
  if (!last) return;
  turnDials(last.guess);
  byId('news').textContent = last.success
    ? `${spaced(last.guess)}. The door is open.`
    : `${spaced(last.guess)}. ${last.right} of ${DIALS} digits are in their places.`;
}

/** `riddles`: by dial, the one that is asked for now last. */
export function showNotebook(riddles, guesses) {
  const current = [...riddles.keys()].at(-1);
  replaceIfNew(
    byId('riddles'),
    NUMERALS.map((numeral, place) => {
      const dial = place + 1;
      const line = element('li', riddles.has(dial) ? '' : 'unasked');
      const ask = element('button');
      ask.type = 'button';
      ask.value = dial;
      ask.title = riddles.has(dial) ? 'Ask for another riddle' : 'Ask for this riddle';
      if (dial === current) ask.setAttribute('aria-current', 'true');
      ask.append(element('b', '', numeral));
      ask.append(element('span', '', riddles.get(dial) ?? 'Not asked yet'));
      line.append(ask);
      return line;
    }),
  );
  byId('no-guesses').hidden = guesses.length > 0;
  replaceIfNew(byId('guesses'), guesses.map(guessLine).reverse());
}

function guessLine({ guess, right }) {
  const line = element('li');
  line.append(element('code', '', spaced(guess)));
  const pins = element('span', 'pins');
  pins.setAttribute('aria-hidden', 'true');
  for (let pin = 0; pin < DIALS; pin++) pins.append(element('i', pin < right ? 'right' : ''));
  line.append(pins, element('small', '', `${right} in place`));
  return line;
}

/** Both sides: what was heard, and struck through what an interruption cut off. */
export function showCaptions({ items, mode }) {
  const list = byId('captions');
  // Where the master is not heard a screen reader reads him.
  list.setAttribute('aria-live', mode === 'text' ? 'polite' : 'off');
  const spoken = items.filter(({ type, heard, unheard, transcribing }) => {
    return type === 'message' && (heard || unheard || transcribing);
  });
  const lines = spoken.map((item, place) => captionLine(list.children[place], item));
  const isNew = lines.length !== list.children.length || lines.some((line) => !line.isConnected);
  if (isNew) list.replaceChildren(...lines);
  if (list.dataset.text !== list.textContent) {
    list.dataset.text = list.textContent;
    list.parentElement.scrollTop = list.parentElement.scrollHeight;
  }
}

/** A line that is there already is kept and brought up to date. */
function captionLine(known, { id, role, heard, unheard, transcribing }) {
  const isSame = known?.dataset.item === id;
  const line = isSame ? known : element('li', role);
  if (!isSame) {
    line.dataset.item = id;
    line.append(element('b', '', role === 'user' ? 'You' : 'Master'));
    line.append(element('span'), element('s'));
  }
  const [, said, cut] = line.children;
  setText(said, heard || (transcribing ? '…' : ''));
  setText(cut, unheard);
  return line;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function replaceIfNew(list, lines) {
  const before = [...list.children];
  const isSame =
    before.length === lines.length && lines.every((line, i) => line.isEqualNode(before[i]));
  if (!isSame) list.replaceChildren(...lines);
}

function spaced(code) {
  return [...code].join(' ');
}

function element(tag, className = '', text = '') {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
