// Times in the zone of the one who looks. The server writes them in UTC, or as how long ago; what is written says which.

import { chosen } from "./chosen.js";

const STEPS = [[86400, "d"], [3600, "h"], [60, "min"]];
const FORMS = [
  ["clock", /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/],
  ["hours", /^\d\d:\d\d:\d\d$/],
  ["ago", /^(just now|in .*|.* ago)$/],
  ["for", /^for /],
];

// As monitor.console.words.span has it.
function span(seconds) {
  for (const [size, unit] of STEPS) {
    if (seconds >= 2 * size || (size === 86400 && seconds >= size)) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

const two = (value) => String(value).padStart(2, "0");
const hours = (at) => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;

function zone(at) {
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(at);
  return parts.find((part) => part.type === "timeZoneName").value;
}

export function clock(at) {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${hours(at)} ${zone(at)}`;
}

function relative(at, form) {
  const seconds = (Date.now() - at) / 1000;
  if (form === "for") return `for ${span(Math.max(0, seconds))}`;
  if (Math.abs(seconds) < 2) return "just now";
  return seconds < 0 ? `in ${span(-seconds)}` : `${span(seconds)} ago`;
}

// Writes the times in a part of a page. What says something else than a time has it in its title alone.
export function tell(part) {
  const absolute = chosen("times") === "absolute";
  for (const node of part.querySelectorAll("time[datetime]")) {
    const at = new Date(node.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const form = node.dataset.form ??= FORMS.find(([, said]) => said.test(node.textContent.trim()))?.[0] ?? "other";
    const full = clock(at);
    let said = full;
    if (form === "hours") said = hours(at);
    else if (form === "for" || (form === "ago" && !absolute)) said = relative(at, form);
    const title = form === "ago" && absolute ? relative(at, form) : full;
    if (form !== "other" && node.textContent !== said) node.textContent = said;
    if (node.title !== title) node.title = title;
  }
}

export function watch() {
  tell(document);
  // What scripts put into the page later.
  new MutationObserver((changes) => {
    for (const change of changes) {
      for (const node of change.addedNodes) if (node.nodeType === Node.ELEMENT_NODE) tell(node.parentNode ?? node);
    }
  }).observe(document.body, { childList: true, subtree: true });
  setInterval(() => document.hidden || tell(document), 10000);
}
