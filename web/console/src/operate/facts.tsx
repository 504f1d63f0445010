import type { CallQuality, SupervisedSession } from './api';
import { duration, lossOf, moneyOf, percent, wait } from './words';

interface FactsProps {
  session: SupervisedSession;
  before: CallQuality | null;
}

export function Facts({ session, before }: FactsProps) {
  const nowS = Date.now() / 1000;
  const { quality, connections } = session;
  const { latency_ms: latency, call } = quality;
  const sidebands = connections.filter(({ role }) => role === 'sideband').length;
  const facts: [string, string | null][] = [
    ['Engine', session.engine],
    ['Model', session.model],
    ['Tenant', session.tenant],
    ['User', session.user],
    ['Key', session.key],
    ['Lasts', `${duration(nowS - session.began_at)}, ${duration(session.expires_at - nowS)} left`],
    ['Last answer', latency === null ? null : `after ${wait(latency)}`],
    ['Connection', call ? wayOf(call, before) : transportOf(session)],
    ['Cost', session.cost && moneyOf(session.cost)],
    ['Sidebands', sidebands ? String(sidebands) : null],
  ];
  return (
    <>
      <dl className="facts">
        {facts.map(
          ([name, value]) =>
            value && (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
      <p className="quiet about">
        <code>{session.id}</code>
      </p>
    </>
  );
}

function transportOf({ transport }: SupervisedSession): string {
  return transport === 'webrtc' ? 'WebRTC' : 'WebSocket';
}

function wayOf(call: CallQuality, before: CallQuality | null): string {
  const jitter = 1000 * Math.max(call.jitter_s, call.peer_jitter_s);
  return [
    `WebRTC, ${percent(lossOf(call, before))} lost`,
    `jitter ${wait(jitter)}`,
    call.rtt_s !== null && `round trip ${wait(1000 * call.rtt_s)}`,
  ]
    .filter(Boolean)
    .join(', ');
}
