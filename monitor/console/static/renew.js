// Parts of a page that are about to change: each is fetched anew, after as many milliseconds as its data-renew says,
// until it comes without one.

async function renew(part) {
  let fresh = null;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.ok) fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
  } catch {
    // Nobody answers: tried again below.
  }
  if (fresh) {
    part.replaceChildren(...fresh.childNodes);
    part.className = fresh.className;
    if (!fresh.dataset.renew) return;
  }
  setTimeout(renew, Number(part.dataset.renew), part);
}

for (const part of document.querySelectorAll("[data-renew]")) setTimeout(renew, Number(part.dataset.renew), part);
