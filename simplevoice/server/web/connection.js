/**
 * One conversation's WebSocket: opens it, keeps it, and opens it again under the same session when it is lost.
 *
 * Events (all CustomEvents, facts in `detail`):
 *   status   {status: "connecting" | "open" | "waiting" | "closed", reason, seconds}
 *   message  a message of the server, parsed
 *   audio    {chunk: the audio_chunk message, data: ArrayBuffer}
 */

const PATH = "ws/simple-voice-chat";
const BACKOFF_SECONDS = [0.5, 1, 2, 4, 8, 15];
const CONNECT_SECONDS = 10;
/** Silence for so long means that the network is gone, though nobody said so. */
const PING_SECONDS = 15;
/** Audio that waits longer than this in the browser's own buffer would be answered too late to matter. */
const MAX_BUFFERED_BYTES = 512 * 1024;

/** Reasons of a close that trying again would not change. */
const FINAL = { 1000: "closed", 1003: "refused" };
const POLICY = { "idle timeout": "idle", replaced: "replaced" };
const ADMISSION = { 403: "origin", 421: "origin", 429: "busy", 503: "busy" };
/** What a server says with 503 that is not there yet, or no more. */
const PHASE = { starting: "starting", draining: "restart" };

export class Connection extends EventTarget {
  /**
   * @param {URL} base the server's address, with its path prefix and a trailing slash
   * @param {() => Record<string, string>} parameters the query of the next opening
   * @param {() => string} token the token to show, or ""
   */
  constructor(base, parameters, token) {
    super();
    this.base = base;
    this.parameters = parameters;
    this.token = token;
    this.socket = null;
    this.attempts = 0;
    this.timer = 0;
    this.generation = 0;
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN && this.established;
  }

  /** Connect, and stay connected until `close`. Resolves when the server is there, or when it is known not to be. */
  async open() {
    this.attempts = 0;
    this.wanted = true;
    await this.#try();
  }

  /** Drop the connection and open a new one, with new parameters. */
  async reopen() {
    this.#drop(1000);
    await this.open();
  }

  /** Leave. */
  close(reason = "closed") {
    this.wanted = false;
    this.#drop(1000);
    this.#tell("closed", reason);
  }

  /** Send a message; false when there is nobody to take it. */
  send(message) {
    if (!this.isOpen) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** Send audio; false when it was left out, because nobody takes it or the network does not keep up. */
  sendAudio(data) {
    if (!this.isOpen || this.socket.bufferedAmount > MAX_BUFFERED_BYTES) return false;
    this.socket.send(data);
    return true;
  }

  async #try() {
    this.#drop(1000);
    const generation = ++this.generation;
    this.#tell("connecting");
    const admission = await this.#askForTicket();
    if (generation !== this.generation || !this.wanted) return;
    if (admission.reason) {
      if (admission.final) this.close(admission.reason);
      else this.#retry(admission.reason, admission.seconds);
      return;
    }
    await this.#connect({ ...this.parameters(), ticket: admission.ticket });
  }

  /**
   * Ask to be let in. A browser can't read why an upgrade was refused, but it can read this answer, and a ticket keeps the
   * token out of addresses.
   */
  async #askForTicket() {
    const headers = this.token() ? { Authorization: `Bearer ${this.token()}` } : {};
    try {
      const signal = AbortSignal.timeout(CONNECT_SECONDS * 1000);
      const answer = await fetch(new URL(`${PATH}/ticket`, this.base), { method: "POST", headers, signal });
      if (answer.ok) return { ticket: (await answer.json()).ticket };
      if (answer.status === 401) return { reason: this.token() ? "wrong-token" : "token", final: true };
      const phase = answer.status === 503 ? PHASE[(await answer.text()).trim()] : undefined;
      const reason = phase ?? ADMISSION[answer.status] ?? "unreachable";
      return { reason, final: reason === "origin", seconds: Number(answer.headers.get("Retry-After")) || 0 };
    } catch {
      return { reason: "unreachable" };
    }
  }

  #connect(parameters) {
    const url = new URL(PATH, this.base);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = new URLSearchParams(parameters).toString();
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.established = false;
    this.expected = null;
    const deadline = setTimeout(() => socket.close(), CONNECT_SECONDS * 1000);
    return new Promise((resolve) => {
      socket.onmessage = (event) => {
        if (socket !== this.socket) return;
        this.heard = performance.now();
        if (this.#take(event.data)) {
          clearTimeout(deadline);
          resolve();
        }
      };
      socket.onclose = (event) => {
        clearTimeout(deadline);
        resolve();
        if (socket === this.socket) this.#lost(event);
      };
    });
  }

  /** Hand on what came; true when it was the message that opens the conversation. */
  #take(data) {
    if (data instanceof ArrayBuffer) {
      const chunk = this.expected;
      this.expected = null;
      if (chunk) this.dispatchEvent(new CustomEvent("audio", { detail: { chunk, data } }));
      return false;
    }
    const message = JSON.parse(data);
    if (message.type === "audio_chunk") {
      this.expected = message;
      return false;
    }
    const opening = message.type === "connection_established";
    if (opening) {
      this.established = true;
      this.attempts = 0;
      this.#watch();
      this.#tell("open");
    }
    this.dispatchEvent(new CustomEvent("message", { detail: message }));
    return opening;
  }

  #watch() {
    clearInterval(this.pinger);
    this.pinger = setInterval(() => {
      if (performance.now() - this.heard > 2 * PING_SECONDS * 1000) {
        const { socket } = this;
        this.#drop(1000);
        if (socket && this.wanted) this.#retry("lost");
      } else {
        this.send({ type: "ping" });
      }
    }, PING_SECONDS * 1000);
  }

  #lost({ code, reason }) {
    clearInterval(this.pinger);
    const established = this.established;
    this.socket = null;
    this.established = false;
    if (!this.wanted) return;
    const final = FINAL[code] ?? POLICY[reason];
    if (final) this.close(final);
    // A server that gave a ticket and then refuses the upgrade has no place.
    else this.#retry(code === 1001 ? "restart" : established ? "lost" : "busy");
  }

  #retry(reason, atLeastSeconds = 0) {
    const step = BACKOFF_SECONDS[Math.min(this.attempts++, BACKOFF_SECONDS.length - 1)];
    // Spread out, so that a server that comes back is not met by everybody at once.
    const seconds = Math.max(step * (0.75 + Math.random() / 2), atLeastSeconds);
    this.#tell("waiting", reason, seconds);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#try(), seconds * 1000);
  }

  #drop(code) {
    clearTimeout(this.timer);
    clearInterval(this.pinger);
    this.generation++;
    const { socket } = this;
    this.socket = null;
    this.established = false;
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close(code);
  }

  #tell(status, reason = "", seconds = 0) {
    this.dispatchEvent(new CustomEvent("status", { detail: { status, reason, seconds } }));
  }
}
