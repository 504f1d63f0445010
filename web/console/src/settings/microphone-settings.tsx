import { useEffect, useState } from 'react';
import { microphoneOf } from '../preferences';
import { type Chosen, Select, Switch } from './fields';
import { MicrophoneTest } from './microphone-test';

const REDUCTION = [
  ['off', 'Off'],
  ['near_field', 'Headset'],
  ['far_field', 'Laptop or room'],
] as const;

export function MicrophoneSettings({ preferences, change, isOn }: Chosen & { isOn: boolean }) {
  const devices = useMicrophones(isOn);
  return (
    <fieldset>
      <legend>Microphone</legend>
      <Select
        label="Device"
        api="deviceId"
        value={preferences.deviceId}
        options={[
          ['', 'System default'],
          ...devices.map(
            ({ deviceId, label }, index) => [deviceId, label || `Microphone ${index + 1}`] as const,
          ),
        ]}
        onChange={(deviceId) => change({ deviceId })}
      />
      <Switch
        label="Noise suppression"
        api="noiseSuppression"
        isOn={preferences.noiseSuppression}
        onChange={(noiseSuppression) => change({ noiseSuppression })}
      />
      <Switch
        label="Echo cancellation"
        api="echoCancellation"
        isOn={preferences.echoCancellation}
        onChange={(echoCancellation) => change({ echoCancellation })}
      />
      <Switch
        label="Automatic gain"
        api="autoGainControl"
        isOn={preferences.autoGainControl}
        onChange={(autoGainControl) => change({ autoGainControl })}
      />
      <Select
        label="Noise reduction (server)"
        api="noise_reduction"
        value={preferences.noiseReduction}
        options={REDUCTION}
        onChange={(noiseReduction) => change({ noiseReduction })}
      />
      <MicrophoneTest options={microphoneOf(preferences)} />
    </fieldset>
  );
}

/** Their names are known only once the microphone was allowed. */
function useMicrophones(isOn: boolean): MediaDeviceInfo[] {
  const [devices, setDevices] = useState<MediaDeviceInfo[]>([]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: an allowed microphone shows the names.
  useEffect(() => {
    const media = navigator.mediaDevices;
    if (!media) return;
    const read = () =>
      media.enumerateDevices().then(
        (all) =>
          setDevices(
            all.filter(
              ({ kind, deviceId }) =>
                kind === 'audioinput' && deviceId !== '' && deviceId !== 'default',
            ),
          ),
        () => {},
      );
    void read();
    media.addEventListener('devicechange', read);
    return () => media.removeEventListener('devicechange', read);
  }, [isOn]);
  return devices;
}
