/** The microphone as the server wants it: 16 kHz mono pcm16, in pieces of 20 ms. */

export const SAMPLE_RATE = 16000;
export const PIECE_MS = 20;

/** Why there is no sound: `reason` is "insecure", "refused", "missing" or "broken". */
export class MicrophoneError extends Error {
  constructor(reason, cause) {
    super(`microphone: ${reason}`, { cause });
    this.reason = reason;
  }
}

const REASONS = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
};

export class Microphone {
  /**
   * @param {(samples: ArrayBuffer, level: number) => void} onSound gets each piece, and its loudness from 0 to 1
   * @param {(error: MicrophoneError) => void} onLost the device went away
   */
  constructor(onSound, onLost) {
    this.onSound = onSound;
    this.onLost = onLost;
    /** The device: a promise of {stream, context}, from `start` to `stop`. */
    this.device = null;
    this.open = false;
  }

  /** Open the device, or wake it from `mute`. Throws MicrophoneError. */
  async start() {
    const device = (this.device ??= this.#open());
    try {
      const { stream } = await device;
      if (this.device === device) this.#enable(stream, true);
    } catch (error) {
      if (this.device === device) this.device = null;
      throw error instanceof MicrophoneError ? error : new MicrophoneError(REASONS[error.name] ?? "broken", error);
    }
  }

  /** Keep the device, but take no sound from it. */
  mute() {
    this.open = false;
    this.#later(({ stream }) => this.#enable(stream, false));
  }

  /** Give the device back, also one that is only just being opened. */
  stop() {
    this.open = false;
    this.#later(close);
    this.device = null;
  }

  /** Go on after the system took the sound away: a telephone call, or a tab that was asleep. */
  wake() {
    this.#later(({ context }) => context.resume());
  }

  #later(work) {
    this.device?.then(work).catch(() => {}); // whoever started it is told
  }

  #enable(stream, open) {
    this.open = open;
    for (const track of stream.getAudioTracks()) track.enabled = open;
  }

  async #open() {
    if (!window.isSecureContext || !navigator.mediaDevices) throw new MicrophoneError("insecure");
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    // At the device's own rate: not every browser joins a microphone to a context of another one.
    const context = new AudioContext();
    try {
      await this.#listen(stream, context);
    } catch (error) {
      close({ stream, context });
      throw error;
    }
    return { stream, context };
  }

  async #listen(stream, context) {
    await context.audioWorklet.addModule(new URL("microphone-worklet.js", import.meta.url));
    const node = new AudioWorkletNode(context, "microphone", {
      processorOptions: { sampleRate: SAMPLE_RATE, pieceMs: PIECE_MS },
    });
    node.port.onmessage = ({ data }) => {
      if (this.open) this.onSound(data.samples, data.level);
    };
    // The worklet puts out silence. Not every browser runs a node that leads nowhere.
    context.createMediaStreamSource(stream).connect(node).connect(context.destination);
    await context.resume();
    for (const track of stream.getAudioTracks()) {
      track.onended = () => {
        this.stop();
        this.onLost(new MicrophoneError("missing"));
      };
    }
  }
}

function close({ stream, context }) {
  for (const track of stream.getTracks()) track.stop();
  context.close();
}
