/**
 * A spoken conversation with a simplevoice server, for any page.
 *
 *   import { SimpleVoice } from "https://voice.example.org/simplevoice.js";
 *   const voice = new SimpleVoice({ language: "en" });
 *   voice.addEventListener("turn", ({ detail: turn }) => console.log(turn.user, turn.reply));
 *   button.onclick = () => voice.talk();
 *
 * Methods: `talk` and `stop` the microphone, `finish` an utterance (push to talk), `say` a text, `interrupt` the reply,
 * `replay` a turn, `update` language, voice or handsFree, `forget` the conversation, `connect` ahead of the first word,
 * `disconnect` when done. A browser gives sound only to who was clicked: call `talk`, `say` and `replay` from an event.
 *
 * What there is to read: `state`, `talking`, `handsFree`, `language`, `voice`, `sessionId`, `turns` by their id.
 *
 * Events (CustomEvents, facts in `detail`):
 *   connection  {status: "connecting" | "open" | "waiting" | "closed", reason, seconds}: see connection.js
 *   state       "off" | "ready" | "listening" | "hearing" | "thinking" | "speaking"
 *   level       0 to 1: how loud the microphone is, or what is played
 *   turn        a Turn, whenever something of it has changed
 *   notice      {code, text, retry}: what the server refuses, outside any turn, in the conversation's language
 *   microphone  {reason: "insecure" | "refused" | "missing" | "broken"}: there is no sound to be had;
 *               {reason: "short"}: the button was held for less than a word
 */

import { Connection } from "./connection.js";
import { Microphone, PIECE_MS, SAMPLE_RATE as MICROPHONE_RATE } from "./microphone.js";
import { Playback } from "./playback.js";

export { SAMPLE_RATE as REPLY_RATE } from "./playback.js";

/** Turns of which the sound is kept, to be heard again. */
const TURNS_KEPT = 30;
const LEVEL_MS = 50;
/** What is shorter is a slip of the finger: the server is told nothing of it. */
const MIN_UTTERANCE_MS = 250;

/** One thing that was said, and the answer. */
export class Turn {
  constructor(id) {
    this.id = id;
    /** @type {"thinking" | "speaking" | "done" | "interrupted" | "failed"} */
    this.status = "thinking";
    this.user = "";
    this.reply = "";
    /** What was heard of a reply that was interrupted. */
    this.heard = null;
    /** What the server says when there is no reply: {code, text, retry}. */
    this.notice = null;
    /** Milliseconds from the end of the user's audio: {endpoint, transcribe, first_text, first_audio, total}. */
    this.timings = null;
    /** The reply's sound: mono s16le at REPLY_RATE, in pieces. */
    this.audio = [];
  }

  get over() {
    return this.status !== "thinking" && this.status !== "speaking";
  }
}

export class SimpleVoice extends EventTarget {
  /**
   * @param {object} options
   * @param {string | URL} [options.server] address of the server, with its path prefix; by default where this file came from
   * @param {string} [options.token] the token, when the server asks for one
   * @param {"ar" | "en"} [options.language]
   * @param {"female" | "male"} [options.voice]
   * @param {boolean} [options.handsFree] whether the server finds out when the user has finished; else `finish` says so
   * @param {string} [options.sessionId] goes on with an earlier conversation
   */
  constructor({ server = new URL(".", import.meta.url), token = "", language = "en", voice = "female", handsFree = true, sessionId = randomId() } = {}) {
    super();
    this.token = token;
    this.language = language;
    this.voice = voice;
    this.handsFree = handsFree;
    this.sessionId = sessionId;
    this.connectionId = randomId();
    this.turns = new Map();
    this.state = "off";
    this.current = null;
    this.hearing = false;
    this.talking = false;
    /** Whether the server still has to forget the conversation. */
    this.resetting = false;
    /** What the last call of `talk` is known by, until it is taken back. */
    this.wanting = false;
    /** The first pieces of an utterance, until it is long enough to be one; null when they have been sent. */
    this.held = null;
    const base = new URL(server, location.href);
    if (!base.pathname.endsWith("/")) base.pathname += "/";
    this.connection = new Connection(base, () => this.#parameters(), () => this.token);
    this.connection.addEventListener("status", ({ detail }) => this.#onStatus(detail));
    this.connection.addEventListener("message", ({ detail }) => this.#onMessage(detail));
    this.connection.addEventListener("audio", ({ detail }) => this.#onAudio(detail));
    this.microphone = new Microphone(
      (samples, level) => this.#onSound(samples, level),
      (error) => this.#onMicrophoneLost(error),
    );
    this.playback = new Playback(() => this.#refresh());
  }

  /** Connect, and stay connected. */
  async connect() {
    document.addEventListener("visibilitychange", this.#wake);
    await this.connection.open();
  }

  /** Leave, and give microphone and speaker back. */
  disconnect() {
    document.removeEventListener("visibilitychange", this.#wake);
    this.stop();
    this.playback.close();
    this.connection.close();
  }

  #wake = () => {
    if (document.hidden) return;
    this.playback.wake();
    this.microphone.wake();
  };

  /** Open the microphone and listen; call it from a click or a key press. False when there is no microphone or server. */
  async talk() {
    const wanted = (this.wanting = {});
    if (!(await this.#prepare())) return false;
    try {
      await this.microphone.start();
    } catch (error) {
      this.#tell("microphone", { reason: error.reason });
      return false;
    }
    if (this.wanting !== wanted) {
      // The key was let go, or the button pressed again, while the browser asked for leave.
      this.microphone.mute();
      return false;
    }
    if (!this.handsFree) this.interrupt();
    this.talking = true;
    this.#beginUtterance();
    this.#refresh();
    return true;
  }

  /** Say that the utterance is over, where the server doesn't find out: push to talk. */
  finish() {
    this.wanting = false;
    this.microphone.mute();
    if (this.talking && this.held) this.#tell("microphone", { reason: "short" });
    else if (this.talking) this.connection.send({ type: "audio_end" });
    this.talking = this.hearing = false;
    this.#refresh();
  }

  /** Stop listening and speaking. */
  stop() {
    this.interrupt();
    this.finish();
    this.microphone.stop();
  }

  /** Stop what is being said; the conversation remembers what was heard of it. */
  interrupt() {
    const { playing, turnId } = this.playback;
    const turn = playing ? this.turns.get(turnId) : this.current;
    if (turn && (playing || !turn.over)) {
      this.connection.send({ type: "interrupt", turn_id: turn.id, played_ms: this.playback.playedMs(turn.id) });
      this.#end(turn, "interrupted");
    }
    this.playback.flush();
    this.#refresh();
  }

  /** Send a typed message; false when there is no connection. */
  async say(text) {
    if (!(await this.#prepare())) return false;
    this.interrupt();
    return this.connection.send({ type: "text_message", text });
  }

  /** Change language, voice, or who finds the end of a turn; what the connection can't change is opened anew. */
  async update({ language = this.language, voice = this.voice, handsFree = this.handsFree }) {
    const reopen = handsFree !== this.handsFree;
    Object.assign(this, { language, voice, handsFree });
    this.connection.send({ type: "session_update", language, voice_type: voice });
    if (!reopen) return;
    this.stop();
    if (this.connection.wanted) await this.connection.reopen();
  }

  /** Hear a reply again. */
  async replay(turn) {
    await this.playback.unlock();
    this.interrupt();
    turn.audio.forEach((data) => this.playback.add(null, data));
    this.#refresh();
  }

  /** Begin a new conversation. A server that can't be reached now is told when it can, before anything else. */
  forget() {
    this.interrupt();
    this.turns.clear();
    this.current = null;
    this.#reset();
  }

  #reset() {
    this.resetting = !this.connection.send({ type: "reset_conversation" });
  }

  /** Make ready to play and to send; false when the server does not let this page in. */
  async #prepare() {
    await this.playback.unlock();
    if (!this.connection.wanted) await this.connect();
    return this.connection.wanted;
  }

  #parameters() {
    return {
      connection_id: this.connectionId,
      session_id: this.sessionId,
      language: this.language,
      voice_type: this.voice,
      turn_detection: this.handsFree ? "server_vad" : "none",
      response_mode: "stream",
      audio_format: "pcm16",
      audio_transport: "binary",
    };
  }

  #beginUtterance() {
    this.held = this.handsFree ? null : [];
    if (this.handsFree) this.#beginStream();
  }

  #beginStream() {
    this.connection.send({ type: "audio_start", format: "pcm16", sample_rate: MICROPHONE_RATE, channels: 1 });
  }

  #onStatus(detail) {
    if (detail.status === "open" && this.resetting) this.#reset();
    if (detail.status === "open" && this.talking) this.#beginUtterance();
    if (detail.status === "waiting" || detail.status === "closed") this.#onLost(detail.status === "closed");
    this.#tell("connection", detail);
    this.#refresh();
  }

  /** Give up what was going on. Who talks hands-free goes on when the server is back; half an utterance is lost. */
  #onLost(forGood) {
    this.hearing = false;
    if (this.current && !this.current.over) this.#end(this.current, "interrupted");
    if (forGood || !this.handsFree) {
      this.wanting = this.talking = false;
      this.microphone.mute();
    }
    if (forGood) this.microphone.stop();
  }

  #onSound(samples, level) {
    if (!this.talking) return;
    if (this.held) this.#hold(samples);
    else this.connection.sendAudio(samples);
    if (!this.playback.playing) this.#tell("level", level);
  }

  #hold(samples) {
    this.held.push(samples);
    if (this.held.length * PIECE_MS < MIN_UTTERANCE_MS) return;
    this.#beginStream();
    for (const piece of this.held) this.connection.sendAudio(piece);
    this.held = null;
  }

  #onMicrophoneLost(error) {
    this.finish();
    this.#tell("microphone", { reason: error.reason });
  }

  #onAudio({ chunk, data }) {
    const turn = this.turns.get(chunk.turn_id);
    if (!turn || turn.over) return;
    turn.audio.push(data);
    turn.status = "speaking";
    this.playback.add(turn.id, data);
    this.#refresh();
  }

  #onMessage(message) {
    const turn = this.turns.get(message.turn_id);
    switch (message.type) {
      case "processing_started":
      case "turn_processing_started":
        this.#begin(message.turn_id);
        break;
      case "transcription":
        if (turn) this.#change(turn, { user: message.text });
        break;
      case "response_text":
        if (turn) this.#change(turn, { reply: `${turn.reply} ${message.text}`.trim() });
        break;
      case "voice_response":
        if (turn) this.#end(turn, "done", { timings: message.timings, reply: message.response_text });
        break;
      case "guidance":
        if (turn) this.#end(turn, "failed", { notice: { code: message.reason, text: message.guidance, retry: true } });
        break;
      case "interrupted":
        if (turn) this.#interrupted(turn, message);
        break;
      case "error":
        this.#failed(turn, message);
        break;
      case "speech_start":
        this.hearing = true;
        // The server estimates what was heard of a reply that is talked over. Here it is known.
        if (this.playback.playing) this.interrupt();
        break;
      case "speech_end":
        this.hearing = false;
        break;
    }
    this.#refresh();
  }

  #begin(id) {
    this.current = new Turn(id);
    this.turns.set(id, this.current);
    this.#tell("turn", this.current);
    if (this.turns.size > TURNS_KEPT) this.#dropOldest();
  }

  #dropOldest() {
    const [oldest] = this.turns.values();
    this.turns.delete(oldest.id);
    this.#change(oldest, { audio: [] });
  }

  #change(turn, facts) {
    this.#tell("turn", Object.assign(turn, facts));
  }

  /** End a turn; what was interrupted here stays so, whatever was on its way. */
  #end(turn, status, facts = {}) {
    this.#change(turn, { ...facts, status: turn.status === "interrupted" ? turn.status : status });
  }

  #interrupted(turn, { heard_text }) {
    if (this.playback.turnId === turn.id) this.playback.flush();
    this.#end(turn, "interrupted", { heard: heard_text });
  }

  #failed(turn, { error_code, message, retry_suggested }) {
    const notice = { code: error_code, text: message, retry: retry_suggested };
    if (turn) this.#end(turn, "failed", { notice });
    else this.#tell("notice", notice);
  }

  /** Say what is going on, when that has changed. */
  #refresh() {
    const state = this.#state();
    if (state === this.state) return;
    this.state = state;
    this.#tell("state", state);
    this.#tell("level", 0);
    clearInterval(this.meter);
    if (state === "speaking") this.meter = setInterval(() => this.#tell("level", this.playback.level), LEVEL_MS);
  }

  #state() {
    if (this.playback.playing) return "speaking";
    if (!this.connection.isOpen) return "off";
    if (this.hearing || (this.talking && !this.handsFree)) return "hearing";
    if (this.current && !this.current.over) return "thinking";
    return this.talking ? "listening" : "ready";
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** 128 random bits. crypto.randomUUID would need a secure origin. */
function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
