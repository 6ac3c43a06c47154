/** Before a page's own scripts: records whatever the page plays. `heardFromSpeaker` gives it as WebM, in base64. */
(() => {
  const connect = AudioNode.prototype.connect;
  let speaker = null;
  let recorder = null;
  const pieces = [];

  AudioNode.prototype.connect = function (destination, ...rest) {
    // The microphone's worklet leads there too, with nothing to hear.
    if (destination instanceof AudioDestinationNode && !(this instanceof AudioWorkletNode)) listenTo(this);
    return connect.call(this, destination, ...rest);
  };

  function listenTo(node) {
    const ear = new MediaStreamAudioDestinationNode(node.context, { channelCount: 1 });
    connect.call(node, ear);
    speaker = node.context;
    recorder = new MediaRecorder(ear.stream, { mimeType: "audio/webm;codecs=opus" });
    recorder.ondataavailable = ({ data }) => pieces.push(data);
    recorder.start();
  }

  /** Hold what is played, or let it go on. */
  window.holdSpeaker = (held) => (held ? speaker.suspend() : speaker.resume());

  window.heardFromSpeaker = async () => {
    const stopped = new Promise((resolve) => (recorder.onstop = resolve));
    recorder.stop();
    await stopped;
    const bytes = await new Response(new Blob(pieces)).bytes();
    return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
  };
})();
