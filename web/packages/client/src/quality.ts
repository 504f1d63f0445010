/** How good the connection is, as what changed since the last look. Pure. */

import type { Quality, Verdict } from './snapshot';

/** Counters as they stand at one moment. */
export interface QualitySample {
  atMs: number;
  rttMs: number | null;
  jitterMs: number | null;
  received: number;
  lostIn: number;
  sent: number;
  lostOut: number;
  /** `null`: nobody reports it. */
  hasPackets: boolean;
  bufferedBytes: number | null;
}

/** What a page can see of a WebSocket: how long answers to its own requests take, and what waits. */
export function webSocketSample(
  atMs: number,
  rttMs: number | null,
  bufferedBytes: number,
): QualitySample {
  const none = { jitterMs: null, received: 0, lostIn: 0, sent: 0, lostOut: 0, hasPackets: false };
  return { atMs, rttMs, bufferedBytes, ...none };
}

interface Stat {
  type: string;
  kind?: string;
  nominated?: boolean;
  state?: string;
  currentRoundTripTime?: number;
  roundTripTime?: number;
  jitter?: number;
  packetsReceived?: number;
  packetsSent?: number;
  packetsLost?: number;
}

/** The counters in `RTCPeerConnection.getStats()`. */
export function webRtcSample(report: Iterable<Stat>, atMs: number): QualitySample {
  const sample: QualitySample = {
    atMs,
    rttMs: null,
    jitterMs: null,
    received: 0,
    lostIn: 0,
    sent: 0,
    lostOut: 0,
    hasPackets: true,
    bufferedBytes: null,
  };
  for (const stat of report) {
    const isPath = stat.type === 'candidate-pair' && stat.nominated && stat.state === 'succeeded';
    if (isPath && stat.currentRoundTripTime !== undefined) {
      sample.rttMs = stat.currentRoundTripTime * 1000;
    }
    if (stat.kind !== 'audio') continue;
    if (stat.type === 'inbound-rtp') {
      sample.received += stat.packetsReceived ?? 0;
      sample.lostIn += stat.packetsLost ?? 0;
      if (stat.jitter !== undefined) sample.jitterMs = stat.jitter * 1000;
    } else if (stat.type === 'outbound-rtp') {
      sample.sent += stat.packetsSent ?? 0;
    } else if (stat.type === 'remote-inbound-rtp') {
      sample.lostOut += stat.packetsLost ?? 0;
      if (sample.rttMs === null && stat.roundTripTime) sample.rttMs = stat.roundTripTime * 1000;
    }
  }
  return sample;
}

export function qualityBetween(before: QualitySample, now: QualitySample): Quality {
  const figures = {
    rttMs: now.rttMs,
    jitterMs: now.jitterMs,
    lossIn: now.hasPackets
      ? lossOf(now.lostIn - before.lostIn, now.received - before.received)
      : null,
    // The server counts as received what we sent less what it lost.
    lossOut: now.hasPackets
      ? lossOf(
          now.lostOut - before.lostOut,
          now.sent - before.sent - (now.lostOut - before.lostOut),
        )
      : null,
    bufferedBytes: now.bufferedBytes,
  };
  return { ...figures, ...judged(figures), atMs: now.atMs };
}

function lossOf(lost: number, arrived: number): number | null {
  const all = Math.max(0, lost) + Math.max(0, arrived);
  return all ? Math.min(1, Math.max(0, lost) / all) : null;
}

/** From where a figure is fair, and from where it is poor. */
const BOUNDS: [name: keyof Figures, fair: number, poor: number, reason: string][] = [
  ['lossIn', 0.02, 0.08, 'Some of the agent’s speech is being lost.'],
  ['lossOut', 0.02, 0.08, 'Some of your speech is being lost.'],
  ['rttMs', 250, 500, 'The connection to the server is slow: answers come late.'],
  ['jitterMs', 40, 100, 'The network is unsteady: speech may stutter.'],
  // 24 kHz PCM in base64 is 64 kB a second.
  ['bufferedBytes', 32_000, 128_000, 'The network cannot keep up with your speech.'],
];

type Figures = Pick<Quality, 'rttMs' | 'jitterMs' | 'lossIn' | 'lossOut' | 'bufferedBytes'>;

function judged(figures: Figures): { verdict: Verdict; reason: string } {
  let result: { verdict: Verdict; reason: string } = {
    verdict: 'good',
    reason: 'The connection is good.',
  };
  for (const [name, fair, poor, reason] of BOUNDS) {
    const value = figures[name];
    if (value === null || value < fair) continue;
    if (value >= poor) return { verdict: 'poor', reason };
    if (result.verdict === 'good') result = { verdict: 'fair', reason };
  }
  return result;
}
