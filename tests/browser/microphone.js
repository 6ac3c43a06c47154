/** Before a page's own scripts: a microphone into which a test speaks when it wants to. */
(() => {
  let context = null;
  let mouth = null;

  navigator.mediaDevices.getUserMedia = async () => {
    context ??= new AudioContext();
    await context.resume();
    mouth ??= new GainNode(context);
    const ear = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    mouth.connect(ear);
    return ear.stream;
  };

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
