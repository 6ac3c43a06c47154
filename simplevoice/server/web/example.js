import { SimpleVoice } from "./simplevoice.js";

const voice = new SimpleVoice({ language: "en" });
voice.addEventListener("state", ({ detail: state }) => {
  document.querySelector("#state").textContent = state;
});
voice.addEventListener("turn", ({ detail: turn }) => {
  const [said, answered] = [document.createElement("dt"), document.createElement("dd")];
  said.textContent = turn.user;
  answered.textContent = turn.reply;
  if (turn.over) document.querySelector("#turns").append(said, answered);
});
document.querySelector("#talk").onclick = () => voice.talk();
document.querySelector("#stop").onclick = () => voice.disconnect();
