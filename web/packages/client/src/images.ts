/** Pictures for the agent. */

import { VoiceError } from './errors';

/** What a model looks at is not finer than this. */
const LARGEST_SIDE = 2048;
const SMALLEST_SIDE = 128;

/**
 * The picture as it is, or as a smaller JPEG where it is longer than `maxLength` characters.
 * Throws: VoiceError `protocol` where it is no picture, or cannot be made small enough.
 */
export async function fitted(dataUrl: string, maxLength: number): Promise<string> {
  if (!/^data:image\/(png|jpeg|webp);base64,/.test(dataUrl)) {
    throw new VoiceError('protocol', { detail: 'A picture is a data URL of a PNG or JPEG.' });
  }
  if (dataUrl.length <= maxLength && !dataUrl.startsWith('data:image/webp')) return dataUrl;
  const image = new Image();
  image.src = dataUrl;
  try {
    await image.decode();
  } catch (cause) {
    throw new VoiceError('protocol', { cause, detail: 'The picture cannot be read.' });
  }
  const full = Math.max(image.naturalWidth, image.naturalHeight);
  for (let side = Math.min(full, LARGEST_SIDE); side >= SMALLEST_SIDE; side *= 0.7) {
    const smaller = drawn(image, side / full);
    if (smaller.length <= maxLength) return smaller;
  }
  throw new VoiceError('protocol', { detail: 'The picture is too large for this connection.' });
}

function drawn(image: HTMLImageElement, scale: number): string {
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(image.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(image.naturalHeight * scale));
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/jpeg', 0.85);
}
