/** The page: puts texts, states and turns where people see them. Knows nothing of sound or of the network. */

import { TEXTS, write } from "./texts.js";

const $ = (selector, root = document) => root.querySelector(selector);
const SVG = "http://www.w3.org/2000/svg";

/** Loudness below which the ring about the button keeps still. */
const QUIET_LEVEL = 0.3;
const STAGES = ["endpoint", "transcribe", "first_text", "first_audio"];

export class View {
  constructor() {
    this.stage = $("#stage");
    this.rows = new Map();
    this.facts = { state: "off", handsFree: true, talking: false, connection: { status: "closed" }, notice: null };
  }

  /** Show everything in a language. */
  setLanguage(language) {
    this.texts = TEXTS[language];
    this.language = language;
    write(language);
    for (const element of document.querySelectorAll("[data-text]")) this.#label(element);
    $("#text").placeholder = this.texts.type;
    for (const { element, turn } of this.rows.values()) {
      for (const labelled of element.querySelectorAll("[data-text]")) this.#label(labelled);
      this.showTurn(turn);
    }
    this.show({});
  }

  /** Show facts: any of state, handsFree, talking, connection, notice. */
  show(facts) {
    Object.assign(this.facts, facts);
    const { state, handsFree, talking, connection } = this.facts;
    this.stage.dataset.state = state;
    $("#state").textContent = this.texts.states[state];
    const [talk, label] = [$("#talk"), handsFree ? (talking ? "listen" : "talk") : "hold"];
    $("#talk-label").textContent = this.texts[label];
    $("#hint").textContent = this.#hint();
    document.title = state === "off" || state === "ready" ? "simplevoice" : `${this.texts.states[state]} · simplevoice`;
    talk.setAttribute("aria-pressed", String(talking));
    $("#stop").disabled = !(talking || state === "speaking" || state === "thinking");
    const badge = $("#connection");
    badge.dataset.status = connection.status;
    badge.textContent = this.texts.connection[connection.status];
    this.#showNotice();
  }

  /** Show how loud it is, from 0 to 1. */
  showLevel(level) {
    const shown = Math.max(0, (level - QUIET_LEVEL) / (1 - QUIET_LEVEL));
    this.stage.style.setProperty("--level", shown.toFixed(2));
  }

  /** Show a turn as it is now. `onAgain` is called when it is to be heard again. */
  showTurn(turn, onAgain) {
    const row = this.rows.get(turn.id) ?? this.#addRow(turn.id, onAgain);
    row.turn = turn;
    const interrupted = turn.status === "interrupted";
    $(".user bdi", row.element).textContent = turn.user;
    $(".reply bdi", row.element).textContent = interrupted && turn.heard !== null ? turn.heard : turn.reply;
    $(".interrupted", row.element).hidden = !interrupted;
    $(".again", row.element).hidden = !(turn.audio.length && turn.status !== "speaking");
    const notice = $(".notice", row.element);
    notice.hidden = !turn.notice;
    notice.textContent = turn.notice?.text ?? "";
    this.#showTimings($(".timings", row.element), turn.timings);
  }

  /** Take all turns away. */
  clear() {
    for (const { element } of this.rows.values()) element.remove();
    this.rows.clear();
    $("#empty").hidden = false;
  }

  /** Ask for the token, and give it; "" when there is none. */
  askForToken(wrong) {
    const dialog = $("#token");
    $("#token-problem").hidden = !wrong;
    $("#token-field").value = "";
    dialog.returnValue = "";
    if (!dialog.open) dialog.showModal();
    return new Promise((resolve) => {
      dialog.onclose = () => resolve(dialog.returnValue && $("#token-field").value.trim());
    });
  }

  #label(element) {
    element.textContent = this.texts[element.dataset.text];
  }

  #addRow(id, onAgain) {
    const element = $("#turn").content.cloneNode(true).firstElementChild;
    for (const labelled of element.querySelectorAll("[data-text]")) this.#label(labelled);
    $(".again", element).onclick = onAgain;
    $("#turns").append(element);
    $("#empty").hidden = true;
    const row = { element };
    this.rows.set(id, row);
    return row;
  }

  /** Draw the moments of a turn on one line, from the end of the user's speech to the first sound of the answer. */
  #showTimings(element, timings) {
    const moments = STAGES.filter((stage) => timings?.[stage] != null)
      .map((stage) => ({ stage, at: Math.max(0, timings[stage]) }))
      .sort((a, b) => a.at - b.at);
    element.hidden = moments.length === 0;
    if (element.hidden) return;
    const words = moments.map(({ stage, at }) => `${this.texts.timings[stage]} ${at} ${this.texts.ms}`);
    element.setAttribute("aria-label", `${this.texts.timings.title}: ${words.join(", ")}`);
    element.replaceChildren(bar(moments), list(words));
  }

  /** What can be done now that the state does not say. */
  #hint() {
    const { state, handsFree, talking } = this.facts;
    if (state === "ready") return handsFree ? this.texts.talkHint : this.texts.holdHint;
    return state === "speaking" && talking && handsFree ? this.texts.talkOver : "";
  }

  #showNotice() {
    const { connection, notice } = this.facts;
    const reason = this.texts.reasons[connection.reason];
    const asked = connection.reason === "token" || connection.reason === "wrong-token";
    const lost = connection.status !== "open" && connection.status !== "connecting" && reason && !asked;
    const text = lost ? reason.replace("{seconds}", Math.ceil(connection.seconds)) : this.#noticeText(notice);
    $("#notice").hidden = !text;
    $("#notice").dataset.kind = lost || notice?.microphone !== "short" ? "alarm" : "hint";
    $("#notice p").textContent = text;
    $("#reconnect").hidden = !lost;
    $("#dismiss").hidden = Boolean(lost);
  }

  #noticeText(notice) {
    return notice ? (notice.text ?? this.texts.microphone[notice.microphone]) : "";
  }
}

function bar(moments) {
  const drawing = document.createElementNS(SVG, "svg");
  const length = moments.at(-1).at || 1;
  drawing.setAttribute("viewBox", "0 0 100 4");
  drawing.setAttribute("preserveAspectRatio", "none");
  let from = 0;
  for (const { at } of moments) {
    const part = document.createElementNS(SVG, "rect");
    part.setAttribute("x", (100 * from) / length);
    part.setAttribute("width", (100 * (at - from)) / length);
    part.setAttribute("height", 4);
    drawing.append(part);
    from = at;
  }
  return drawing;
}

function list(words) {
  const element = document.createElement("ul");
  element.setAttribute("aria-hidden", "true");
  for (const word of words) element.append(Object.assign(document.createElement("li"), { textContent: word }));
  return element;
}
