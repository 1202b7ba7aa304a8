// Server-sent events of the tenant: `tell` hears of what is new, `beat` that somebody is there.

export function listen(tell, beat = () => undefined) {
  const source = new EventSource("/console/events");
  source.addEventListener("news", (event) => { beat(); tell(JSON.parse(event.data)); });
  source.addEventListener("beat", beat);
  return () => source.close();
}
