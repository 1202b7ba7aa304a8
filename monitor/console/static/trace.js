// The steps of a run by the arrow keys.

const links = [...document.querySelectorAll(".fall a")];

document.querySelector(".fall")?.addEventListener("keydown", (event) => {
  const at = links.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  links[Math.max(0, Math.min(next, links.length - 1))]?.focus();
});
