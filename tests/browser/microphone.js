/** Before a page's own scripts: a microphone into which a test speaks when it wants to. */
(() => {
  let context = null;
  let mouth = null;

  navigator.mediaDevices.getUserMedia = async () => {
    context ??= new AudioContext();
    await context.resume();
    mouth ??= inRoom();
    const ear = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    mouth.connect(ear);
    return ear.stream;
  };

  /** Where one speaks. No room is silent, and of one that is MediaRecorder would send nothing. */
  function inRoom() {
    const buffer = new AudioBuffer({ length: context.sampleRate, sampleRate: context.sampleRate });
    buffer.copyToChannel(Float32Array.from({ length: buffer.length }, () => (Math.random() - 0.5) / 1000), 0);
    const noise = new AudioBufferSourceNode(context, { buffer, loop: true });
    const room = new GainNode(context);
    noise.connect(room);
    noise.start();
    return room;
  }

  /** Say a recording; done when it is over. */
  window.sayIntoMicrophone = async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const source = new AudioBufferSourceNode(context, { buffer: await context.decodeAudioData(bytes.buffer) });
    source.connect(mouth);
    const over = new Promise((resolve) => (source.onended = resolve));
    source.start();
    await over;
  };
})();
