// Waits for the first message that comes after the page did.

import { listen } from "./events.js";

const arrival = document.getElementById("arrival");
const since = new Date(arrival.dataset.since);

const stop = listen((news) => {
  if (!news.seen_at || new Date(news.seen_at) <= since) return;
  stop();
  const link = document.createElement("a");
  link.href = news.path;
  link.textContent = news.agent;
  arrival.replaceChildren("A message has arrived, from ", link, ". ");
  arrival.classList.add("here");
});
