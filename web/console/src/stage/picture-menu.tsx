import type { RealtimeVoiceSession } from '@antiphon/react';
import { Camera, FileImage, Image, MonitorUp } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { Menu } from '../panels/menu';
import { dataUrlOf, frameOf, grabbed } from './pictures';

interface PictureMenuProps {
  session: RealtimeVoiceSession;
  isDisabled: boolean;
}

/** Show the agent a file, the screen, or what the camera sees. */
export function PictureMenu({ session, isDisabled }: PictureMenuProps) {
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
  const openCamera = () => {
    setProblem('');
    navigator.mediaDevices
      .getUserMedia({ video: true })
      .then(setCamera, () =>
        setProblem('The camera is not available: allow it, or choose a file.'),
      );
  };
  const choices = [
    {
      name: 'Picture',
      icon: <FileImage aria-hidden="true" />,
      act: () => file.current?.click(),
    },
    { name: 'Camera', icon: <Camera aria-hidden="true" />, act: openCamera },
  ];
  if ('getDisplayMedia' in (navigator.mediaDevices ?? {})) {
    choices.push({
      name: 'Screen',
      icon: <MonitorUp aria-hidden="true" />,
      act: () => void show(navigator.mediaDevices.getDisplayMedia().then(grabbed)),
    });
  }

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
      <Menu
        label="Show the agent"
        icon={<Image aria-hidden="true" />}
        choices={choices}
        isDisabled={isDisabled}
        side="above"
      />
      {problem && (
        <p className="problem controls-problem" role="alert">
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
    <dialog ref={dialog} className="modal" aria-label="Camera" onClose={onClose}>
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
