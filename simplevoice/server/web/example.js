import { SimpleVoice } from "./simplevoice.js";

const voice = new SimpleVoice({ language: "en" });
const rows = new Map();

voice.addEventListener("state", ({ detail: state }) => {
  document.querySelector("#state").textContent = state;
});
voice.addEventListener("turn", ({ detail: turn }) => {
  if (!rows.has(turn.id)) {
    rows.set(turn.id, [document.createElement("dt"), document.createElement("dd")]);
    document.querySelector("#turns").append(...rows.get(turn.id));
  }
  const [said, answered] = rows.get(turn.id);
  said.textContent = turn.user;
  answered.textContent = turn.reply;
});
document.querySelector("#talk").onclick = () => voice.talk();
document.querySelector("#stop").onclick = () => voice.disconnect();
