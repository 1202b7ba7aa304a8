// The charts of an agent's page.

import { columns, draw, line, ranges, recoloured, shown } from "./charts.js";

const panel = document.getElementById("charts");

async function drawAll() {
  const answer = await fetch(`${panel.dataset.agent}/chart.json?range=${range()}`);
  if (!answer.ok) return;
  const data = await answer.json();
  const window = shown(data);
  const whole = [data.start, data.end];
  document.getElementById("no-chart").hidden = [data.p50, data.good, data.failed].some((points) => points.length);
  await draw("latency", [
    line(data.p50, "median", "--p50", 2), line(data.p95, "95th percentile", "--p95"), line(data.p99, "99th percentile", "--critical"),
  ], window, { ticksuffix: " ms" });
  await draw("runs", [columns(data.good, "good", "--good", data.step), columns(data.failed, "failed", "--critical", data.step)], window);
  await draw("tokens", [columns(data.input, "input", "--good", data.usage_step), columns(data.output, "output", "--p95", data.usage_step)], whole);
  await draw("cost", [columns(data.cost, "US dollars", "--good", data.usage_step, ",.4f")], whole, { tickprefix: "$" });
}

const redraw = () => drawAll().catch(() => undefined);
const range = ranges(redraw);
setInterval(() => document.hidden || redraw(), 30000);
recoloured(redraw);
redraw();
