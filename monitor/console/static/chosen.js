// What somebody chose for this browser: "" is what everybody has.

export function chosen(name) {
  try {
    return localStorage.getItem(name) ?? "";
  } catch {
    return "";  // a browser that keeps nothing
  }
}

export function choose(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // It holds for this page.
  }
  dispatchEvent(new CustomEvent("chosen", { detail: name }));
}
