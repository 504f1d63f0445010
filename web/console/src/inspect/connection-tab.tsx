import { type Quality, type RealtimeVoice, servedBy } from '@antiphon/react';
import { Empty } from './empty';
import { QUALITIES_KEPT } from './use-quality-history';

/** How the network does, over the last two minutes. */
export function ConnectionTab({
  voice: { quality, transport, callId, serverSession, error },
  history,
}: {
  voice: RealtimeVoice;
  history: readonly Quality[];
}) {
  const served = servedBy(serverSession);
  const isUnsure = error?.kind === 'connection-unsure';
  if (!quality)
    return <Empty>Once you are connected: round trip, jitter and loss, and what they mean.</Empty>;
  return (
    <>
      <p className="verdict-line" data-verdict={isUnsure ? 'poor' : quality.verdict}>
        {isUnsure ? error.message : quality.reason}
      </p>
      <div className="charts">
        <Chart name="Round trip" unit="ms" values={history.map(({ rttMs }) => rttMs)} />
        <Chart name="Jitter" unit="ms" values={history.map(({ jitterMs }) => jitterMs)} />
        <Chart
          name="Lost, from the agent"
          unit="%"
          values={history.map((at) => percent(at.lossIn))}
        />
        <Chart name="Lost, from you" unit="%" values={history.map((at) => percent(at.lossOut))} />
      </div>
      <dl>
        <dt>Transport</dt>
        <dd>{transport === 'webrtc' ? 'WebRTC' : 'WebSocket (TCP hides jitter and loss)'}</dd>
        {callId && (
          <>
            <dt>Call</dt>
            <dd>
              <code>{callId}</code>
            </dd>
          </>
        )}
        <dt>Session</dt>
        <dd>
          <code>{serverSession?.id ?? '–'}</code>
        </dd>
        {served.engine && (
          <>
            <dt>Engine</dt>
            <dd>
              <code>{served.engine}</code>
            </dd>
          </>
        )}
        {served.voice && (
          <>
            <dt>Voice</dt>
            <dd>
              <code>{served.voice}</code>
            </dd>
          </>
        )}
        <dt>Model asked for</dt>
        <dd>
          <code>{serverSession?.model ?? '–'}</code>
        </dd>
      </dl>
    </>
  );
}

const WIDTH = 200;
const HEIGHT = 44;
/** Below, a difference means nothing. */
const LOWEST_TOP = 10;

function Chart({ name, unit, values }: { name: string; unit: string; values: (number | null)[] }) {
  const known = values.filter((value) => value !== null);
  const highest = Math.max(LOWEST_TOP, ...known);
  const points = values.map((value, index) => {
    const x = ((index + QUALITIES_KEPT - values.length) / (QUALITIES_KEPT - 1)) * WIDTH;
    return value === null
      ? null
      : `${x.toFixed(1)},${(HEIGHT - 2 - (value / highest) * (HEIGHT - 4)).toFixed(1)}`;
  });
  const last = values.at(-1);
  return (
    <figure>
      <figcaption>
        {name}
        <strong>
          {last === null || last === undefined
            ? '–'
            : `${last.toFixed(unit === '%' ? 1 : 0)} ${unit}`}
        </strong>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <polyline points={points.filter((point) => point !== null).join(' ')} />
      </svg>
    </figure>
  );
}

function percent(share: number | null): number | null {
  return share === null ? null : share * 100;
}
