/** Five things that any agent can answer, the offline one too. */
const TO_SAY = [
  'What can you do?',
  'Tell me a story.',
  'What time is it?',
  'What is seventeen times four?',
  'Tell me a joke.',
];

interface OpeningProps {
  /** Who answers, in the server's words. */
  engine: string | null;
  /** Known once one is connected. */
  voice: string | null;
  isUp: boolean;
  say: (text: string) => void;
}

/** Before anything was said. */
export function Opening({ engine, voice, isUp, say }: OpeningProps) {
  return (
    <div className="opening">
      <h2>{isUp ? 'Say something' : 'Press Start and say hello'}</h2>
      {engine && (
        <p className="quiet">
          {engine} {voice && `Its voice is ${voice}.`}
        </p>
      )}
      <p>You could say, or click:</p>
      <ul>
        {TO_SAY.map((text) => (
          <li key={text}>
            <button type="button" onClick={() => say(text)}>
              {text}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
