/** Windowed-sinc resampling (Smith, "Digital Audio Resampling"), for any two rates. */

/** Zero crossings of the low-pass filter on each side: more is sharper, and later by as many samples. */
const ZEROS = 16;
/** Where the filter begins to cut, as a share of the highest frequency that the lower rate can carry. */
const PASS = 0.92;

export class Resampler {
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
    for (let i = centre - this.reach + 1; i <= centre + this.reach; i++) sum += samples[i] * this.#filter(position - i);
    return sum;
  }

  #filter(x) {
    if (x === 0) return this.cutoff;
    if (Math.abs(x) >= this.reach) return 0;
    const window = 0.5 + 0.5 * Math.cos((Math.PI * x) / this.reach);
    return (window * Math.sin(Math.PI * this.cutoff * x)) / (Math.PI * x);
  }
}
