import { describe, expect, test } from 'vitest';
import { Configuration } from '../src/configuration';

describe('what a page wants', () => {
  test('a session that is left as it is, is told nothing', () => {
    const configuration = new Configuration({ session: null });
    expect(configuration.introduction('webrtc')).toBeNull();
    expect(configuration.hasSettings).toBe(false);
    expect(configuration.isByHand).toBe(false);
  });

  test('a later setting is told alone, and is in the next introduction', () => {
    const configuration = new Configuration({ session: { voice: 'ash' } });
    const update = configuration.update({ turnDetection: null });
    expect(update).toEqual({
      type: 'session.update',
      session: { type: 'realtime', audio: { input: { turn_detection: null } } },
    });
    expect(configuration.isByHand).toBe(true);
    expect(configuration.introduction('webrtc')).toMatchObject({
      session: { audio: { input: { turn_detection: null }, output: { voice: 'ash' } } },
    });
  });

  test('another turn detection takes the place of the old one whole', () => {
    const configuration = new Configuration({
      session: { turnDetection: { type: 'server_vad', threshold: 0.9 } },
    });
    configuration.update({ turnDetection: { type: 'semantic_vad' } });
    const told = configuration.introduction('webrtc');
    expect(told).toMatchObject({
      session: { audio: { input: { turn_detection: { type: 'semantic_vad' } } } },
    });
    expect(JSON.stringify(told)).not.toContain('threshold');
  });

  test('options change one by one', () => {
    const configuration = new Configuration({ url: '/a', model: 'm' });
    configuration.change({ url: '/b', microphone: { deviceId: 'd' } });
    expect(configuration.options).toMatchObject({ url: '/b', model: 'm' });
    expect(configuration.microphone).toEqual({ deviceId: 'd' });
    expect(configuration.hasSettings).toBe(true);
  });
});
