import { expect, test } from 'vitest';
import { qualityBetween, webRtcSample, webSocketSample } from '../src/quality';

const report = (received: number, lost: number, sent: number, lostOut: number, rtt: number) => [
  {
    type: 'candidate-pair',
    nominated: true,
    state: 'succeeded',
    currentRoundTripTime: rtt,
  },
  { type: 'candidate-pair', nominated: false, state: 'succeeded', currentRoundTripTime: 9 },
  {
    type: 'inbound-rtp',
    kind: 'audio',
    packetsReceived: received,
    packetsLost: lost,
    jitter: 0.01,
  },
  { type: 'outbound-rtp', kind: 'audio', packetsSent: sent },
  { type: 'remote-inbound-rtp', kind: 'audio', packetsLost: lostOut },
];

test('loss is that of the last interval, not of the whole call', () => {
  const before = webRtcSample(report(1000, 500, 1000, 500, 0.05), 0);
  const quality = qualityBetween(before, webRtcSample(report(1100, 500, 1100, 500, 0.05), 2000));
  expect(quality).toMatchObject({
    verdict: 'good',
    lossIn: 0,
    lossOut: 0,
    rttMs: 50,
    jitterMs: 10,
  });
});

test.each([
  ['good', report(100, 1, 100, 0, 0.02), 'good'],
  ['lost words of the agent', report(95, 5, 100, 0, 0.02), 'fair'],
  ['lost words of the user', report(100, 0, 100, 20, 0.02), 'poor'],
  ['a long way', report(100, 0, 100, 0, 0.3), 'fair'],
  ['both, the worse counts', report(95, 5, 100, 0, 0.9), 'poor'],
])('%s', (_, stats, verdict) => {
  const quality = qualityBetween(webRtcSample([], 0), webRtcSample(stats, 2000));
  expect(quality.verdict).toBe(verdict);
});

test('over a WebSocket what waits is known, and loss is not', () => {
  const quality = qualityBetween(webSocketSample(0, null, 0), webSocketSample(2000, 30, 200_000));
  expect(quality).toMatchObject({
    verdict: 'poor',
    lossIn: null,
    rttMs: 30,
    bufferedBytes: 200_000,
  });
});
