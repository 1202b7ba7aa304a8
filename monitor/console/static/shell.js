// What every page does: the colours that were chosen, times in the zone of the one who looks, the menu.

import { choose, chosen } from "./chosen.js";
import { tell, watch } from "./times.js";

document.documentElement.dataset.theme = chosen("theme");

function start() {
  for (const box of document.querySelectorAll(".scripted")) box.hidden = false;
  for (const field of document.querySelectorAll("[data-setting]")) {
    field.value = chosen(field.dataset.setting);
    field.addEventListener("change", () => {
      choose(field.dataset.setting, field.value);
      if (field.dataset.setting === "theme") document.documentElement.dataset.theme = field.value;
      else tell(document);
    });
  }
  // A phone shows the sections in one line that scrolls.
  document.querySelector(".sections [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  const menu = document.querySelector(".menu");
  document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.firstElementChild.focus();
  });
  watch();
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
