// What the pages of whoever is on call do beside their forms: lists stay fresh, previews and reasons come by themselves.
// Everything works without it.

async function part(address, selector, options = {}) {
  const answer = await fetch(address, { credentials: "same-origin", ...options });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector(selector);
}

// Parts that take longer than their page come after it; links in them change that part.
function fill(place) {
  const load = async (address) => {
    const found = await part(address, place.dataset.part).catch(() => null);
    if (!found) return;
    place.replaceChildren(...found.childNodes);
    for (const link of place.querySelectorAll("a[aria-current], .more a")) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        load(link.getAttribute("href"));
      });
    }
  };
  load(place.dataset.fetch);
}
document.querySelectorAll("[data-fetch]").forEach(fill);

// All boxes at once.
function pickAll() {
  const all = document.querySelector("[data-all]");
  if (!all) return;
  all.closest("label").hidden = false;
  all.addEventListener("change", () => {
    for (const box of all.form.querySelectorAll('input[name^="alert-"]')) box.checked = all.checked;
  });
}
pickAll();

// A list is read again while nobody is doing something in it.
const list = document.querySelector("[data-refresh]");
if (list) {
  setInterval(async () => {
    const busy = list.contains(document.activeElement) || list.querySelector("input:checked");
    if (document.hidden || busy) return;
    const found = await part(location.href, "#list").catch(() => null);
    if (found && !list.contains(document.activeElement) && !list.querySelector("input:checked")) {
      list.replaceChildren(...found.childNodes);
      pickAll();
    }
  }, Number(list.dataset.refresh) * 1000);
}

// A button with data-into shows what its form would do in this place of the page instead of on another one.
for (const button of document.querySelectorAll("button[data-into]")) {
  const into = document.querySelector(button.dataset.into);
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    const body = new URLSearchParams(new FormData(button.form));
    into.setAttribute("aria-busy", "true");
    const found = await part(button.formAction, button.dataset.into, { method: "POST", body }).catch(() => null);
    into.removeAttribute("aria-busy");
    if (found) into.replaceChildren(...found.childNodes);
    else into.textContent = "Nobody answers: try again.";
  });
}
