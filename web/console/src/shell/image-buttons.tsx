import type { RealtimeVoiceSession } from '@antiphon/react';
import { useEffect, useRef, useState } from 'react';
import { dataUrlOf, frameOf, grabbed } from './pictures';

/** Show the agent a file, the screen, or what the camera sees. */
export function ImageButtons({ session }: { session: RealtimeVoiceSession }) {
  const file = useRef<HTMLInputElement>(null);
  const [camera, setCamera] = useState<MediaStream | null>(null);
  const [problem, setProblem] = useState('');

  const show = async (picture: Promise<string>) => {
    setProblem('');
    try {
      await session.sendImage(await picture);
    } catch (error) {
      // One who closes the browser's own question needs no explanation.
      const isRefusal = error instanceof DOMException && error.name === 'NotAllowedError';
      if (!isRefusal) setProblem(error instanceof Error ? error.message : String(error));
    }
  };

  return (
    <>
      <input
        ref={file}
        type="file"
        accept="image/png,image/jpeg,image/webp"
        hidden
        onChange={({ currentTarget }) => {
          const [chosen] = currentTarget.files ?? [];
          if (chosen) void show(dataUrlOf(chosen));
          currentTarget.value = '';
        }}
      />
      <button type="button" onClick={() => file.current?.click()}>
        Picture
      </button>
      <button
        type="button"
        onClick={() =>
          navigator.mediaDevices
            .getUserMedia({ video: true })
            .then(setCamera, () =>
              setProblem('The camera is not available: allow it, or choose a file.'),
            )
        }
      >
        Camera
      </button>
      {'getDisplayMedia' in (navigator.mediaDevices ?? {}) && (
        <button
          type="button"
          onClick={() => void show(navigator.mediaDevices.getDisplayMedia().then(grabbed))}
        >
          Screen
        </button>
      )}
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {camera && (
        <CameraDialog
          stream={camera}
          onTaken={(picture) => void show(Promise.resolve(picture))}
          onClose={() => {
            for (const track of camera.getTracks()) track.stop();
            setCamera(null);
          }}
        />
      )}
    </>
  );
}

interface CameraDialogProps {
  stream: MediaStream;
  onTaken: (picture: string) => void;
  onClose: () => void;
}

function CameraDialog({ stream, onTaken, onClose }: CameraDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const video = useRef<HTMLVideoElement>(null);

  useEffect(() => {
    if (video.current) video.current.srcObject = stream;
    if (!dialog.current?.open) dialog.current?.showModal();
  }, [stream]);

  return (
    <dialog ref={dialog} aria-label="Camera" onClose={onClose}>
      <video ref={video} autoPlay playsInline muted />
      <form method="dialog" className="row">
        <button
          type="submit"
          className="primary"
          onClick={() => video.current && onTaken(frameOf(video.current))}
        >
          Show this
        </button>
        <button type="submit">Cancel</button>
      </form>
    </dialog>
  );
}
