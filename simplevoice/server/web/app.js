/** Joins the page and the conversation. */

import { SimpleVoice } from "./simplevoice.js";
import { chosenLanguage } from "./texts.js";
import { View } from "./view.js";

const $ = (selector) => document.querySelector(selector);

const view = new View();
const kept = {
  language: chosenLanguage(),
  voice: localStorage.getItem("voice") ?? "female",
  mode: localStorage.getItem("mode") ?? "hands-free",
};
const voice = new SimpleVoice({
  language: kept.language,
  voice: kept.voice,
  handsFree: kept.mode === "hands-free",
  token: sessionStorage.getItem("token") ?? "",
  sessionId: sessionStorage.getItem("session") ?? undefined,
});
sessionStorage.setItem("session", voice.sessionId);

voice.addEventListener("state", ({ detail: state }) => view.show({ state, talking: voice.talking }));
voice.addEventListener("level", ({ detail: level }) => view.showLevel(level));
voice.addEventListener("turn", ({ detail: turn }) => view.showTurn(turn, () => voice.replay(turn)));
voice.addEventListener("notice", ({ detail: notice }) => view.show({ notice }));
voice.addEventListener("microphone", ({ detail }) => view.show({ notice: { microphone: detail.reason } }));
voice.addEventListener("connection", ({ detail: connection }) => {
  view.show({ connection, talking: voice.talking });
  if (connection.reason === "token" || connection.reason === "wrong-token") askForToken(connection.reason);
});

async function askForToken(reason) {
  voice.token = await view.askForToken(reason === "wrong-token");
  if (!voice.token) return;
  sessionStorage.setItem("token", voice.token);
  await voice.connect();
}

async function talk() {
  view.show({ notice: null });
  await voice.talk();
  view.show({ talking: voice.talking });
}

function finish() {
  voice.finish();
  view.show({ talking: voice.talking });
}

function stop() {
  voice.stop();
  view.show({ talking: voice.talking });
}

function remember(name, value) {
  localStorage.setItem(name, value);
}

const button = $("#talk");
button.addEventListener("click", ({ detail }) => {
  if (voice.handsFree) voice.talking ? stop() : talk();
  // A click of no pointer: the enter key, or a screen reader, which can't hold a button down.
  else if (detail === 0) voice.talking ? finish() : talk();
});
button.addEventListener("pointerdown", (event) => {
  if (voice.handsFree || event.button !== 0) return;
  button.setPointerCapture(event.pointerId);
  talk();
});
for (const end of ["pointerup", "pointercancel"]) {
  button.addEventListener(end, () => {
    if (!voice.handsFree) finish();
  });
}

/** The space bar talks wherever it means nothing else. */
function isTalkKey(event) {
  const taken = event.target.closest("input:not([type=radio]), button:not(#talk), a, dialog");
  return event.code === "Space" && !voice.handsFree && !taken;
}
addEventListener("keydown", (event) => {
  if (!isTalkKey(event)) return;
  event.preventDefault();
  if (!event.repeat) talk();
});
addEventListener("keyup", (event) => {
  if (!isTalkKey(event)) return;
  event.preventDefault();
  finish();
});
addEventListener("blur", () => {
  if (!voice.handsFree && voice.talking) finish();
});

$("#stop").onclick = () => {
  if (voice.state === "speaking" || voice.state === "thinking") voice.interrupt();
  else stop();
};
$("#fresh").onclick = () => {
  voice.forget();
  view.clear();
};
$("#dismiss").onclick = () => view.show({ notice: null });
$("#reconnect").onclick = () => voice.connect();
$("#typing").onsubmit = async (event) => {
  event.preventDefault();
  const text = $("#text").value.trim();
  if (text && (await voice.say(text))) $("#text").value = "";
};

for (const [name, value] of Object.entries(kept)) {
  document.querySelector(`input[name=${name}][value="${value}"]`).checked = true;
}
$("#language").onchange = ({ target }) => {
  remember("language", target.value);
  view.setLanguage(target.value);
  voice.update({ language: target.value });
};
$("#voice").onchange = ({ target }) => {
  remember("voice", target.value);
  voice.update({ voice: target.value });
};
$("#mode").onchange = async ({ target }) => {
  remember("mode", target.value);
  await voice.update({ handsFree: target.value === "hands-free" });
  view.show({ handsFree: voice.handsFree, talking: voice.talking });
};

view.setLanguage(kept.language);
view.show({ handsFree: voice.handsFree });
await voice.connect();
