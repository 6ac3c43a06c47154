/** The operator's page: asks the server every two seconds, and draws what it says. */

import { histogram, parse, quantile } from "./metrics.js";

const EVERY_MS = 2000;
const STAGES = { endpoint: "End noticed", transcribe: "Understood", first_audio: "First sound", total: "Whole answer" };

const $ = (selector) => document.querySelector(selector);
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
    showService("can't be reached", "closed");
  }
  next = setTimeout(refresh, EVERY_MS);
}

function showService(text, status) {
  $("#connection").textContent = text;
  $("#connection").dataset.status = status;
}

function showStatus(status) {
  showService(`${status.status}, version ${status.version}`, status.status === "available" ? "open" : "waiting");
  const { performance } = status;
  const facts = {
    Connections: status.active_connections,
    Turns: performance.turns,
    "First sound, p50": milliseconds(performance.first_audio_ms.p50),
    "First sound, p95": milliseconds(performance.first_audio_ms.p95),
    "Up for": duration(status.uptime_seconds),
  };
  $("#facts").replaceChildren(...Object.entries(facts).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  showEngines(status.service_health);
  showConnections(status.connections);
}

function showEngines(health) {
  const names = { stt: "Hearing", llm: "Thinking", tts: "Speaking" };
  const rows = Object.entries(health).map(([kind, engine]) => [
    names[kind],
    [engine.engine, engine.active && engine.active !== engine.engine ? `(${engine.active} speaks)` : ""].join(" "),
    engine.model ?? "",
    engine.device ?? "",
    state(engine.state),
    engine.breaker ? state(engine.breaker) : "",
    engine.detail ?? "",
  ]);
  fill($("#engines"), ["Work", "Engine", "Model", "Device", "State", "Breaker", "Detail"], rows);
}

function showConnections(connections) {
  const rows = connections.map((c) => [
    c.connection_id,
    c.language,
    c.state,
    c.turn_detection,
    c.message_count,
    milliseconds(c.last_response_time_ms),
    duration(c.duration_seconds),
  ]);
  fill($("#connections"), ["Id", "Language", "State", "Turn detection", "Turns", "Last answer", "For"], rows);
}

function showLatency(metrics) {
  const figures = Object.entries(STAGES).map(([stage, name]) => {
    const buckets = histogram(metrics, "simplevoice_turn_stage_seconds", { stage });
    return drawn(name, buckets);
  });
  $("#latency").replaceChildren(...figures);
}

/** Draw a histogram: one bar for each of its buckets that are not empty, and those between. */
function drawn(name, buckets) {
  const all = buckets.reduce((sum, { count }) => sum + count, 0);
  const [p50, p95] = [quantile(buckets, 0.5), quantile(buckets, 0.95)];
  const caption = element("figcaption", {}, element("strong", {}, name), element("span", {}, all ? `${all} turns, p50 ${seconds(p50)}, p95 ${seconds(p95)}` : "no turns yet"));
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
  const lines = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  const none = element("tr", {}, element("td", { colspan: heads.length }, "none"));
  table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...(lines.length ? lines : [none])));
}

function state(name) {
  return element("span", { "data-state": name }, name);
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
  return value == null ? "–" : `${value} ms`;
}

function seconds(value) {
  return `${value.toFixed(2)} s`;
}

function duration(value) {
  const [hours, minutes] = [Math.floor(value / 3600), Math.floor((value % 3600) / 60)];
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${Math.floor(value)} s`;
}

$("#token").onsubmit = (event) => {
  event.preventDefault();
  token.value = $("#token-field").value.trim();
  sessionStorage.setItem("token", token.value);
  refresh();
};

refresh();
