/** Both voices as they sound, and what the candles and the portrait make of the master's. */

const BARS = 24;
/** Of the analyser's band up to 12 or 24 kHz, the part with voices in it. */
const VOICED = 0.3;
const CALM_MS = 250;

export function drawVoices(session) {
  const yours = voice('your-voice', '#9fd3c7', () => session()?.inputAnalyser, true);
  const masters = voice('master-voice', '#ffc46b', () => session()?.outputAnalyser, false);
  const isCalm = matchMedia('(prefers-reduced-motion: reduce)');
  let drawnAtMs = 0;

  function draw(atMs) {
    requestAnimationFrame(draw);
    if (isCalm.matches && atMs - drawnAtMs < CALM_MS) return;
    drawnAtMs = atMs;
    yours();
    masters();
    const level = session()?.outputLevel ?? 0;
    document.body.style.setProperty('--voice', level.toFixed(2));
  }
  requestAnimationFrame(draw);
}

/** Bars that are lowest at the talk button's far side; `isLeft`: of the button. */
function voice(id, color, analyserNow, isLeft) {
  const canvas = document.getElementById(id);
  const context = canvas.getContext('2d');
  context.fillStyle = color;
  let bins = new Uint8Array(0);

  return () => {
    const analyser = analyserNow();
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    if (bins.length !== (analyser?.frequencyBinCount ?? 0)) {
      bins = new Uint8Array(analyser?.frequencyBinCount ?? 0);
    }
    analyser?.getByteFrequencyData(bins);
    const perBar = Math.floor((bins.length * VOICED) / BARS) || 1;
    const step = width / BARS;
    for (let bar = 0; bar < BARS; bar++) {
      const band = bins.subarray(bar * perBar, (bar + 1) * perBar);
      const loudness = band.reduce((sum, bin) => sum + bin, 0) / (band.length || 1) / 255;
      const tall = Math.max(4, loudness * height);
      const place = isLeft ? BARS - 1 - bar : bar;
      context.globalAlpha = 0.35 + 0.65 * loudness;
      context.beginPath();
      context.roundRect(place * step + step * 0.2, (height - tall) / 2, step * 0.6, tall, step);
      context.fill();
    }
  };
}
