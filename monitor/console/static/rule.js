// The editor of a rule: form and JSON follow each other, and trying it shows the answer in its place.
// Without it the server lays the form over the JSON when either is sent.

import { columns, draw, recoloured } from "./charts.js";

const form = document.getElementById("editor");
const json = form.elements.rule;
const PLAIN = ["name", "agent", "severity", "for", "repeat", "owner", "runbook"];

function parsed() {
  try {
    const found = JSON.parse(json.value);
    return found && typeof found === "object" && !Array.isArray(found) ? found : null;
  } catch {
    return null;
  }
}

// What is typed into the form goes into the JSON; what both say is no change for the server.
for (const name of PLAIN) {
  form.elements[name].addEventListener("input", () => {
    const rule = parsed();
    if (!rule) return;
    const said = form.elements[name].value.trim();
    if (said) rule[name] = said;
    else delete rule[name];
    json.value = JSON.stringify(rule, null, 2);
    form.elements.was.value = json.value;
  });
}
json.addEventListener("input", () => {
  const rule = parsed();
  form.elements.kind.value = ""; // what is written by hand stays
  json.setAttribute("aria-invalid", String(!rule));
  if (!rule) return;
  for (const name of PLAIN) form.elements[name].value = rule[name] ?? (name === "severity" ? "warning" : "");
  form.elements.was.value = json.value;
});

function chart() {
  const place = document.getElementById("backtest");
  if (!place) return;
  const data = JSON.parse(place.dataset.drawn);
  const step = data.points.length > 1 ? data.points[1][0] - data.points[0][0] : 3600;
  draw("backtest", [columns(data.points, "alerts", "--critical", step)], [data.start, data.end]).catch(() => undefined);
}
chart();
recoloured(chart);
if (!form.elements.time_zone.value) form.elements.time_zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
