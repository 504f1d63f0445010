// In place of the computer's microphone: one that says what it is given, when it is given it.
(() => {
  let context;
  let output;
  window.microphone = {
    isOpen: false,
    /** Says a WAV file (base64); ends when it is said. */
    async say(recording) {
      const bytes = Uint8Array.from(atob(recording), (character) => character.charCodeAt(0));
      const source = context.createBufferSource();
      source.buffer = await context.decodeAudioData(bytes.buffer);
      source.connect(output);
      await new Promise((ended) => {
        source.onended = ended;
        source.start();
      });
    },
  };
  navigator.mediaDevices.getUserMedia = async () => {
    context ??= new AudioContext({ sampleRate: 48000 });
    await context.resume();
    output = context.createMediaStreamDestination();
    // A room is never silent to the last bit.
    const noise = context.createBuffer(1, 48000, 48000);
    const samples = noise.getChannelData(0);
    for (let i = 0; i < samples.length; i += 1) samples[i] = (Math.random() - 0.5) * 2e-4;
    const room = context.createBufferSource();
    room.buffer = noise;
    room.loop = true;
    room.connect(output);
    room.start();
    window.microphone.isOpen = true;
    return output.stream;
  };
})();
