import { useEffect, useState } from 'react';
import { download } from './download';
import { Empty } from './empty';
import { type Sides, sidesOf } from './loudness';
import type { Recording, Recordings } from './use-recordings';

/** Both sides of the conversation, kept in this page alone. */
export function RecordingTab({ isOn, recordings }: { isOn: boolean; recordings: Recordings }) {
  const { kept, problem, toggle, forget } = recordings;
  return (
    <>
      <div className="row">
        <button type="button" aria-pressed={isOn} onClick={toggle}>
          {isOn ? 'Stop recording' : 'Record'}
        </button>
        <span className="quiet">
          You on the left, the agent on the right. Nothing leaves this page.
        </span>
      </div>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {!kept.length && !isOn && <Empty>Your recordings appear here, to play and download.</Empty>}
      <ol className="recordings">
        {kept.map((one) => (
          <li key={one.url}>
            <WhoSpoke recording={one} />
            <div className="row">
              {/* biome-ignore lint/a11y/useMediaCaption: its captions are the conversation itself. */}
              <audio controls src={one.url} />
              <button type="button" onClick={() => download(one.blob, fileName(one))}>
                Download
              </button>
              <button type="button" onClick={() => forget(one)}>
                Delete
              </button>
            </div>
          </li>
        ))}
      </ol>
    </>
  );
}

/** Who spoke when: the person above, the agent below. */
function WhoSpoke({ recording }: { recording: Recording }) {
  const [sides, setSides] = useState<Sides | null>(null);
  useEffect(() => {
    let isHere = true;
    sidesOf(recording.blob).then(
      (read) => isHere && setSides(read),
      () => {}, // It can still be played and downloaded.
    );
    return () => {
      isHere = false;
    };
  }, [recording]);
  if (!sides) return null;
  return (
    <svg
      className="sides"
      viewBox={`0 0 ${sides.user.length} 2`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`Who spoke when, over ${sides.seconds.toFixed(0)} seconds`}
    >
      {[sides.user, sides.agent].map((side, row) => (
        <path
          key={row === 0 ? 'user' : 'agent'}
          data-side={row === 0 ? 'user' : 'agent'}
          d={side
            .map((loud, x) => `M${x + 0.5} ${row + 0.5 - loud / 2}v${Math.max(0.04, loud)}`)
            .join('')}
        />
      ))}
    </svg>
  );
}

function fileName({ blob, atMs }: Recording): string {
  const ending = /audio\/(\w+)/.exec(blob.type)?.[1] ?? 'webm';
  return `conversation-${new Date(atMs).toISOString().slice(0, 19).replaceAll(':', '-')}.${ending}`;
}
