/** In the audio thread: brings the microphone's sound to the rate that is asked for, as 16-bit samples. */

import { Resampler } from "./resampler.js";

class MicrophoneProcessor extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.resampler = new Resampler(sampleRate, processorOptions.sampleRate);
    this.piece = new Int16Array((processorOptions.sampleRate * processorOptions.pieceMs) / 1000);
    this.filled = 0;
    this.energy = 0;
  }

  process([input]) {
    if (input.length) this.resampler.push(mixed(input)).forEach((sample) => this.#add(sample));
    return true;
  }

  #add(sample) {
    const bounded = Math.max(-1, Math.min(1, sample));
    this.piece[this.filled++] = Math.round(bounded * 32767);
    this.energy += bounded * bounded;
    if (this.filled === this.piece.length) this.#post();
  }

  #post() {
    const samples = this.piece.slice().buffer;
    // From -60 dB, about a quiet room, to 0.
    const decibels = 10 * Math.log10(this.energy / this.piece.length + 1e-12);
    const level = Math.max(0, Math.min(1, 1 + decibels / 60));
    this.port.postMessage({ samples, level }, [samples]);
    this.filled = 0;
    this.energy = 0;
  }
}

function mixed(channels) {
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length);
}

registerProcessor("microphone", MicrophoneProcessor);
