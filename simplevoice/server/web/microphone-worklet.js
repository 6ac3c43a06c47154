/** In the audio thread: brings the microphone's sound to the rate that is asked for, as 16-bit samples. */

const PIECE_SECONDS = 0.02;
/** Zero crossings of the low-pass filter on each side: more is sharper, and later by as many samples. */
const ZEROS = 16;
/** Where the filter begins to cut, as a share of the highest frequency that the lower rate can carry. */
const PASS = 0.92;

/** Windowed-sinc resampling (Smith, "Digital Audio Resampling"), for any two rates. */
class Resampler {
  constructor(from, to) {
    this.step = from / to;
    this.cutoff = PASS * Math.min(1, to / from);
    this.reach = Math.ceil(ZEROS / this.cutoff);
    this.samples = new Float32Array(2 * this.reach);
    this.position = this.reach;
  }

  /** Take samples at the one rate, return those at the other that are complete now. */
  push(input) {
    const samples = new Float32Array(this.samples.length + input.length);
    samples.set(this.samples);
    samples.set(input, this.samples.length);
    const output = [];
    while (this.position + this.reach < samples.length) {
      output.push(this.#at(samples, this.position));
      this.position += this.step;
    }
    const used = Math.max(0, Math.floor(this.position) - this.reach);
    this.samples = samples.slice(used);
    this.position -= used;
    return output;
  }

  #at(samples, position) {
    const centre = Math.floor(position);
    let sum = 0;
    for (let i = centre - this.reach + 1; i <= centre + this.reach; i++) {
      const x = position - i;
      sum += samples[i] * this.#filter(x);
    }
    return sum;
  }

  #filter(x) {
    if (x === 0) return this.cutoff;
    if (Math.abs(x) >= this.reach) return 0;
    const window = 0.5 + 0.5 * Math.cos((Math.PI * x) / this.reach);
    return (window * Math.sin(Math.PI * this.cutoff * x)) / (Math.PI * x);
  }
}

class MicrophoneProcessor extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.resampler = new Resampler(sampleRate, processorOptions.sampleRate);
    this.piece = new Int16Array(Math.round(PIECE_SECONDS * processorOptions.sampleRate));
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
