"use strict";
const $ = id => document.getElementById(id), NS = "http://www.w3.org/2000/svg";
const { servers, clients, steps, flights, states, downs, faults, end } = DATA;
const PALETTE = ["blue", "orange", "green", "pink", "sky", "red", "olive", "violet", "grey"].map(n => `var(--d-${n})`);
const ROLES = { leader: "var(--d-green)", follower: "var(--d-blue)", candidate: "var(--d-orange)", "pre-candidate": "var(--d-olive)" };
const others = [];
const roleColour = role => ROLES[role] || PALETTE[3 + ((others.includes(role) ? 0 : others.push(role)), others.indexOf(role)) % 6];
const termColour = term => PALETTE[term % PALETTE.length];
const place = {};
servers.forEach((name, i) => {
  const a = -Math.PI / 2 + 2 * Math.PI * i / servers.length;
  place[name] = [320 + 190 * Math.cos(a), 190 + 135 * Math.sin(a)];
});
clients.forEach((name, i) => { place[name] = [(i + 0.5) * 640 / clients.length, 430]; });
const history = {};
servers.forEach(name => { history[name] = states.filter(s => s[1] === name); });
const LOST = 40000;  // us that a cross stays
let now = 0, playing = false, last = 0;

function element(kind, attributes, text, parent) {
  const made = document.createElementNS(NS, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined && text !== null) made.textContent = text;
  parent.appendChild(made);
  return made;
}
function lastBefore(list, time) {  // index of the last item whose time is not later
  let low = 0, high = list.length;
  while (low < high) { const mid = (low + high) >> 1; if (list[mid][0] <= time) low = mid + 1; else high = mid; }
  return low - 1;
}
const state = name => { const list = history[name], at = lastBefore(list, now); return at < 0 ? null : list[at][2]; };
const isDown = name => downs.some(d => d[0] === name && d[1] <= now && (d[2] < 0 || d[2] > now));
const milli = t => ((t + DATA.zero) / 1000).toFixed(3) + " ms";

function draw() {
  const stage = $("stage");
  stage.replaceChildren();
  for (const [a, b] of servers.flatMap((x, i) => servers.slice(i + 1).map(y => [x, y])))
    element("line", { x1: place[a][0], y1: place[a][1], x2: place[b][0], y2: place[b][1], stroke: "var(--d-hair)" }, null, stage);
  for (const name of clients) {
    const [x, y] = place[name];
    element("rect", { x: x - 15, y: y - 11, width: 30, height: 22, rx: 4, fill: "var(--soft)", stroke: "var(--line)" }, null, stage);
    element("text", { x, y: y + 4, "text-anchor": "middle", "font-size": 11 }, name, stage);
  }
  for (const name of servers) {
    const [x, y] = place[name], seen = state(name), down = isDown(name) || !seen;
    const colour = down ? "var(--d-down)" : roleColour(seen[0]);
    const group = element("g", { opacity: down ? 0.5 : 1 }, null, stage);
    element("circle", { cx: x, cy: y, r: 30, fill: colour }, null, group);
    element("text", { x, y: y - 2, "text-anchor": "middle", "font-size": 14, "font-weight": 700, style: "fill:#fff" }, name, group);
    element("text", { x, y: y + 14, "text-anchor": "middle", "font-size": 11, style: "fill:#fff" }, down ? "down" : seen[1] ? "term " + seen[1] : "", group);
    element("text", { x, y: y + 45, "text-anchor": "middle", "font-size": 12 }, down ? "" : seen[0], group);
    if (seen) element("title", {}, seen[4].map(f => f.join(": ")).join("\n"), group);
  }
  for (let i = lastBefore(flights, now); i >= 0 && flights[i][0] > now - 5e6; i--) {
    const [sent, arrives, from, to, what, detail] = flights[i];
    if (!place[from] || !place[to] || from === to) continue;
    const [x0, y0] = place[from], [x1, y1] = place[to];
    if (arrives < 0) {
      if (now - sent > LOST) continue;
      const x = x0 + 0.5 * (x1 - x0), y = y0 + 0.5 * (y1 - y0);
      const cross = element("text", { x, y: y + 5, "text-anchor": "middle", "font-size": 16, style: "fill:var(--d-red)" }, "✕", stage);
      element("title", {}, `${what} ${from} to ${to}\n${detail}`, cross);
    } else if (arrives > now) {
      const share = (now - sent) / (arrives - sent), x = x0 + share * (x1 - x0), y = y0 + share * (y1 - y0);
      const dot = element("circle", { cx: x, cy: y, r: 6, fill: kindColour(what), stroke: "var(--paper)" }, null, stage);
      element("title", {}, `${what} ${from} to ${to}\n${detail}`, dot);
    }
  }
  logs();
  $("clock").textContent = milli(now);
  $("scrub").value = Math.round(1e6 * now / (end || 1));
  $("faults").textContent = faults.filter(f => f[0] <= now && (f[1] < 0 || f[1] > now)).map(f => f[2]).join(" · ");
  follow();
}
const kinds = [];
const kindColour = what => { if (!kinds.includes(what)) { kinds.push(what); legend(); } return PALETTE[kinds.indexOf(what) % PALETTE.length]; };
function legend() {
  $("legend").replaceChildren(...kinds.map((what, i) => {
    const span = document.createElement("span"), dot = document.createElement("i");
    dot.style.background = PALETTE[i % PALETTE.length];
    span.append(dot, what);
    return span;
  }));
}
function logs() {
  const rows = servers.map(name => [name, state(name)]).filter(([, seen]) => seen && (seen[2].length || seen[3]));
  if (!rows.length) { $("logs").replaceChildren(); return; }
  const table = document.createElement("table");
  for (const [name, seen] of rows) {
    const row = table.insertRow();
    const head = document.createElement("th");
    head.textContent = name;
    row.append(head);
    const cells = row.insertCell();
    for (const [index, term] of seen[2]) {
      const cell = document.createElement("span");
      cell.className = "cell" + (index > seen[3] ? " open" : "");
      cell.style.background = termColour(term);
      cell.textContent = index;
      cell.title = `entry ${index}, term ${term}`;
      cells.append(cell, " ");
    }
    row.insertCell().textContent = "commit " + seen[3];
  }
  $("logs").replaceChildren(table);
}
const AROUND = 200;
let shownFrom = -1;
function follow() {
  const at = lastBefore(steps, now), from = Math.max(0, Math.floor(at / AROUND) * AROUND - AROUND / 2), list = $("steps");
  if (from !== shownFrom) {
    shownFrom = from;
    list.replaceChildren(...steps.slice(from, from + 2 * AROUND).map(([time, kind, node, peer, what, detail], i) => {
      const item = document.createElement("li"), t = document.createElement("span"), word = document.createElement("span");
      t.className = "t";
      t.textContent = ((time + DATA.zero) / 1000).toFixed(2);
      word.className = kind;
      word.textContent = kind === "deliver" ? `${node} ← ${peer} ${what}` : `${node} ${kind} ${what}`;
      item.append(t, word, " " + detail);
      item.onclick = () => { now = time; draw(); };
      item.dataset.at = from + i;
      return item;
    }));
  }
  for (const item of list.children) item.classList.toggle("now", +item.dataset.at === at);
  const current = list.querySelector(".now");
  if (current) list.scrollTop = current.offsetTop - list.offsetTop - list.clientHeight / 2;
}
function step(by) {
  playing = false;
  $("play").textContent = "▶";
  const at = lastBefore(steps, now);
  let target = at + by;
  while (by < 0 && target > 0 && steps[target][0] >= now) target--;
  while (by > 0 && target < steps.length - 1 && steps[target][0] <= now) target++;
  if (target >= 0 && target < steps.length) now = steps[target][0];
  draw();
}
function frame(time) {
  if (!playing) return;
  now = Math.min(end, now + (time - last) * 1000 * +$("speed").value);
  last = time;
  draw();
  if (now >= end) { playing = false; $("play").textContent = "▶"; } else requestAnimationFrame(frame);
}
function toggle() {
  playing = !playing;
  if (playing && now >= end) now = 0;
  $("play").textContent = playing ? "⏸" : "▶";
  if (playing) requestAnimationFrame(time => { last = time; frame(time); });
}
$("play").onclick = toggle;
$("next").onclick = () => step(1);
$("back").onclick = () => step(-1);
$("scrub").oninput = event => { now = end * event.target.value / 1e6; draw(); };
document.addEventListener("keydown", event => {
  if (event.target.tagName === "SELECT") return;
  if (event.key === " ") { event.preventDefault(); toggle(); }
  if (event.key === "ArrowRight" && event.target.type !== "range") step(1);
  if (event.key === "ArrowLeft" && event.target.type !== "range") step(-1);
});
const hash = /^#t=([0-9.]+)$/.exec(location.hash);  // #t=MS opens the page at that time
if (hash) now = Math.min(end, Math.max(0, hash[1] * 1000 - DATA.zero));
for (const flight of flights) kindColour(flight[4]);
draw();
