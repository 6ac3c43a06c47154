/** The microphone as the server wants it: 16 kHz mono pcm16, in pieces of 20 ms. */

export const SAMPLE_RATE = 16000;

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
    this.open = false;
  }

  /** Open the device, or wake it from `mute`. Throws MicrophoneError. */
  async start() {
    if (!this.opening) {
      this.opening = this.#open().catch((error) => {
        this.stop();
        throw error;
      });
    }
    await this.opening;
    this.#enable(true);
  }

  /** Keep the device, but take no sound from it. */
  mute() {
    this.#enable(false);
  }

  /** Give the device back. */
  stop() {
    this.open = false;
    this.opening = null;
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.context?.close();
    this.context = null;
  }

  #enable(open) {
    this.open = open;
    this.stream?.getAudioTracks().forEach((track) => (track.enabled = open));
  }

  async #open() {
    if (!window.isSecureContext || !navigator.mediaDevices) throw new MicrophoneError("insecure");
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      });
    } catch (error) {
      throw new MicrophoneError(REASONS[error.name] ?? "broken", error);
    }
    for (const track of this.stream.getAudioTracks()) {
      track.onended = () => {
        this.stop();
        this.onLost(new MicrophoneError("missing"));
      };
    }
    // At the device's own rate: not every browser joins a microphone to a context of another one.
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule(new URL("microphone-worklet.js", import.meta.url));
    const node = new AudioWorkletNode(this.context, "microphone", {
      numberOfOutputs: 0,
      processorOptions: { sampleRate: SAMPLE_RATE },
    });
    node.port.onmessage = ({ data }) => {
      if (this.open) this.onSound(data.samples, data.level);
    };
    this.context.createMediaStreamSource(this.stream).connect(node);
    await this.context.resume();
  }
}
