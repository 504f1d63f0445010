import { useState } from 'react';
import type { Preferences } from '../preferences';
import { javascriptOf } from './javascript';
import { pythonOf } from './python';
import { setupOf } from './setup';

const LANGUAGES = { Python: pythonOf, JavaScript: javascriptOf };
type Language = keyof typeof LANGUAGES;

/** How long a button says that it has copied. */
const COPIED_MS = 2000;

interface CodeProps {
  preferences: Preferences;
  /** The one that the server takes where none is chosen. */
  model: string;
}

/** The settings as a program for an official client. */
export function Code({ preferences, model }: CodeProps) {
  const [language, setLanguage] = useState<Language>('Python');
  const [copied, setCopied] = useState('');
  const code = LANGUAGES[language](setupOf(preferences, model, document.baseURI));
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(code);
      setCopied('Copied');
    } catch {
      setCopied('Not allowed: select it, and copy it by hand');
    }
    setTimeout(() => setCopied(''), COPIED_MS);
  };
  return (
    <div className="code">
      <div className="row">
        {(Object.keys(LANGUAGES) as Language[]).map((name) => (
          <button
            key={name}
            type="button"
            aria-pressed={name === language}
            onClick={() => setLanguage(name)}
          >
            {name}
          </button>
        ))}
        <button type="button" className="copy" onClick={() => void copy()}>
          Copy
        </button>
        <span role="status">{copied}</span>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <pre tabIndex={0}>{code}</pre>
      <p className="quiet">
        These are your settings, for an official client. It asks one question, and prints the
        answer.
      </p>
    </div>
  );
}
