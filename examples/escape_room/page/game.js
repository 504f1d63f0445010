/**
 * The game in the page itself, which is for toys: whoever opens the developer tools can read the
 * code. The server build has the same in game.py, out of reach.
 */

const DIALS = 4;

export class Game {
  #code;
  #riddles;

  /** `riddles`: for each digit, what it is asked for by. `code`: of a game that goes on. */
  constructor(riddles, code) {
    this.#code = code ?? drawCode();
    this.#riddles = Object.fromEntries(
      Object.entries(riddles).map(([digit, all]) => [digit, shuffled(all)]),
    );
  }

  get code() {
    return this.#code;
  }

  /** The puzzle master's functions, to be run here. */
  tools() {
    return [
      { name: 'riddle', run: ({ dial }) => ({ dial, riddle: this.riddle(dial) }) },
      { name: 'check_code', run: ({ guess }) => this.check(guess) },
    ];
  }

  /** Another one each time, until the digit has no more. */
  riddle(dial) {
    const riddles = this.#riddles[this.#code[dial - 1]];
    if (!riddles) throw new RangeError(`The dials are 1 to ${DIALS}.`);
    riddles.push(riddles.shift());
    return riddles.at(-1);
  }

  check(guess) {
    if (!/^[0-9]{4}$/.test(guess)) throw new RangeError(`A guess has ${DIALS} digits.`);
    const right = [...guess].filter((digit, place) => digit === this.#code[place]).length;
    return { success: right === DIALS, right };
  }
}

function drawCode() {
  return [...crypto.getRandomValues(new Uint32Array(DIALS))].map((n) => n % 10).join('');
}

function shuffled(list) {
  return list
    .map((entry) => [Math.random(), entry])
    .sort(([a], [b]) => a - b)
    .map(([, entry]) => entry);
}
