/** The operator's page: asks the server every two seconds, and draws what it says. */

import { histogram, parse, quantile } from "./metrics.js";
import { TEXTS } from "./status-texts.js";
import { chosenLanguage, write } from "./texts.js";

const EVERY_MS = 2000;

const $ = (selector) => document.querySelector(selector);
const language = chosenLanguage();
const texts = TEXTS[language];
const token = { value: sessionStorage.getItem("token") ?? "" };

async function ask(path) {
  const headers = token.value ? { Authorization: `Bearer ${token.value}` } : {};
  return fetch(new URL(path, document.baseURI), { headers, signal: AbortSignal.timeout(5000) });
}

let next = 0;

async function refresh() {
  clearTimeout(next);
  try {
    const [status, metrics] = await Promise.all([ask("ws/simple-voice-chat/status"), ask("metrics")]);
    showStatus(await status.json());
    const guarded = metrics.status === 401;
    $("#token").hidden = !guarded;
    for (const section of document.querySelectorAll(".guarded")) section.hidden = guarded;
    $("#token-problem").hidden = !token.value;
    if (metrics.ok) showLatency(parse(await metrics.text()));
  } catch {
    showService(texts.unreachable, "closed");
  }
  next = setTimeout(refresh, EVERY_MS);
}

function showService(text, status) {
  $("#connection").textContent = text;
  $("#connection").dataset.status = status;
}

function showStatus(status) {
  const words = filled(texts.service, { status: word(status.status), version: status.version });
  showService(words, status.status === "available" ? "open" : "waiting");
  const { performance } = status;
  const facts = [
    status.active_connections,
    performance.turns,
    milliseconds(performance.first_audio_ms.p50),
    milliseconds(performance.first_audio_ms.p95),
    duration(status.uptime_seconds),
  ];
  $("#facts").replaceChildren(...facts.map((value, i) => element("div", {}, element("dt", {}, texts.facts[i]), element("dd", {}, value))));
  showEngines(status.service_health);
  showConnections(status.connections);
}

function showEngines(health) {
  const rows = Object.entries(health).map(([kind, engine]) => [
    texts.work[kind],
    [engine.engine, engine.active && engine.active !== engine.engine ? filled(texts.speaks, { engine: engine.active }) : ""].join(" "),
    engine.model ?? "",
    engine.device ?? "",
    state(engine.state),
    engine.breaker ? state(engine.breaker) : "",
    engine.detail ?? "",
  ]);
  fill($("#engines"), texts.engines, rows);
}

function showConnections(connections) {
  const rows = connections.map((c) => [
    c.connection_id,
    word(c.language),
    word(c.state),
    word(c.turn_detection),
    c.message_count,
    milliseconds(c.last_response_time_ms),
    duration(c.duration_seconds),
  ]);
  fill($("#connections"), texts.connections, rows);
}

function showLatency(metrics) {
  const figures = Object.entries(texts.stages).map(([stage, name]) => {
    const buckets = histogram(metrics, "simplevoice_turn_stage_seconds", { stage });
    return drawn(name, buckets);
  });
  $("#latency").replaceChildren(...figures);
}

/** Draw a histogram: one bar for each of its buckets that are not empty, and those between. */
function drawn(name, buckets) {
  const all = buckets.reduce((sum, { count }) => sum + count, 0);
  const [p50, p95] = [quantile(buckets, 0.5), quantile(buckets, 0.95)];
  const turns = filled(texts.turns[all === 1 ? "one" : "other"], { count: all });
  const words = all ? filled(texts.quantiles, { turns, p50: p50.toFixed(2), p95: p95.toFixed(2) }) : texts.noTurns;
  const caption = element("figcaption", {}, element("strong", {}, name), element("span", {}, words));
  const drawing = svg("svg", { viewBox: "0 0 320 110", role: "img", "aria-label": caption.textContent });
  const most = Math.max(1, ...buckets.map(({ count }) => count));
  const width = 320 / Math.max(1, buckets.length);
  buckets.forEach(({ below, count }, i) => {
    const height = (90 * count) / most;
    drawing.append(svg("rect", { x: i * width + 1, y: 92 - height, width: width - 2, height, rx: 1.5 }));
    if (i % 2 === 0 && Number.isFinite(below)) {
      drawing.append(svg("text", { x: (i + 1) * width, y: 104, "text-anchor": "middle" }, below));
    }
  });
  return element("figure", {}, caption, drawing);
}

function fill(table, heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const lines = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, element("bdi", {}, cell)))));
  const none = element("tr", {}, element("td", { colspan: heads.length }, texts.none));
  table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...(lines.length ? lines : [none])));
}

function state(name) {
  return element("span", { "data-state": name }, word(name));
}

function element(tag, attributes, ...children) {
  return furnished(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return furnished(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function furnished(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function milliseconds(value) {
  return value == null ? "–" : `${value} ${texts.units.ms}`;
}

function duration(value) {
  const { h, min, s } = texts.units;
  const [hours, minutes] = [Math.floor(value / 3600), Math.floor((value % 3600) / 60)];
  return hours ? `${hours} ${h} ${minutes} ${min}` : minutes ? `${minutes} ${min}` : `${Math.floor(value)} ${s}`;
}

function word(name) {
  return texts.words[name] ?? name;
}

function filled(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

$("#token").onsubmit = (event) => {
  event.preventDefault();
  token.value = $("#token-field").value.trim();
  sessionStorage.setItem("token", token.value);
  refresh();
};

write(language);
document.title = texts.title;
for (const node of document.querySelectorAll("[data-text]")) node.textContent = texts[node.dataset.text];
refresh();
