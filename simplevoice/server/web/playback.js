/** Plays replies without a gap between their chunks, and knows how much of them was heard. */

export const SAMPLE_RATE = 24000;
/** The first chunk waits so long, that the next ones find it still playing. */
const LEAD_SECONDS = 0.08;

export class Playback {
  /** @param {(turnId: string) => void} onEnd all that was queued of a turn has been played */
  constructor(onEnd) {
    this.onEnd = onEnd;
    this.sources = new Set();
    this.turnId = null;
    this.spans = [];
    this.end = 0;
  }

  /** Make ready to play. Browsers allow it only from within a click or a key press. */
  async unlock() {
    // At the reply's own rate, so that chunks are not resampled one by one, with a click between them.
    this.context ??= this.#makeContext();
    await this.context.resume();
  }

  /** Go on after the system took the sound away: a telephone call, or a tab that was asleep. */
  wake() {
    this.context?.resume().catch(() => {}); // closed meanwhile
  }

  /** Be silent, and give the device back. */
  close() {
    this.flush();
    this.context?.close();
    this.context = null;
  }

  #makeContext() {
    const context = new AudioContext({ sampleRate: SAMPLE_RATE });
    this.meter = context.createAnalyser();
    this.meter.fftSize = 512;
    this.meter.connect(context.destination);
    return context;
  }

  get playing() {
    return this.sources.size > 0;
  }

  /** How loud what is heard now is, from 0 to 1. */
  get level() {
    if (!this.playing) return 0;
    const samples = new Float32Array(this.meter.fftSize);
    this.meter.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    return Math.max(0, Math.min(1, 1 + (10 * Math.log10(power + 1e-12)) / 60));
  }

  /**
   * Queue a chunk of a turn: mono s16le at SAMPLE_RATE. A chunk of another turn than before begins behind it.
   * What is heard again belongs to no turn: its id is null.
   */
  add(turnId, data) {
    if (!this.context) return;
    const samples = Float32Array.from(new Int16Array(data), (sample) => sample / 32768);
    if (!samples.length) return;
    if (turnId !== this.turnId) {
      this.turnId = turnId;
      this.spans = [];
    }
    const buffer = this.context.createBuffer(1, samples.length, SAMPLE_RATE);
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(this.context, { buffer });
    source.connect(this.meter);
    const now = this.context.currentTime;
    const start = this.end > now ? this.end : now + LEAD_SECONDS;
    this.end = start + buffer.duration;
    this.spans.push({ start, end: this.end });
    this.sources.add(source);
    source.onended = () => {
      this.sources.delete(source);
      if (!this.playing && this.turnId === turnId) this.onEnd(turnId);
    };
    source.start(start);
  }

  /** Milliseconds of a turn that have been heard; 0 of any but the one that was queued last. */
  playedMs(turnId) {
    if (!this.context || turnId !== this.turnId) return 0;
    const now = this.context.currentTime - (this.context.outputLatency || 0);
    const heard = this.spans.map(({ start, end }) => Math.max(0, Math.min(now, end) - start));
    return Math.round(heard.reduce((sum, seconds) => sum + seconds, 0) * 1000);
  }

  /** Be silent at once. */
  flush() {
    for (const source of this.sources) {
      source.onended = null;
      source.stop();
      source.disconnect();
    }
    this.sources.clear();
    this.end = 0;
    this.turnId = null;
    this.spans = [];
  }
}
