// Keeps the page fresh: asks for its parts and replaces what changed, but never under someone's hands.
const EVERY = 1500;

// The markup comes from this page's own server, which escapes every value.
const own = globalThis.trustedTypes
  ? trustedTypes.createPolicy("control-room", { createHTML: (html) => html })
  : { createHTML: (html) => html };

const parse = (html) => new DOMParser().parseFromString(own.createHTML(html), "text/html").body;
const isBusy = (node) => node.querySelector("details[open], [data-touched], :is(input, select, textarea):focus") !== null;

const seen = new Map();

function refresh(name, html) {
  const part = document.querySelector(`[data-part="${name}"]`);
  if (!part || seen.get(name) === html) return;
  const known = new Map([...part.children].map((child) => [child.dataset.key, child]));
  const fresh = [...parse(html).children];
  let complete = true;
  const next = fresh.map((child) => {
    const old = known.get(child.dataset.key);
    if (!old || old.outerHTML === child.outerHTML) return old ?? child;
    if (!isBusy(old)) return child;
    complete = false; // looked at again next time
    return old;
  });
  const before = [...part.children];
  if (next.length !== before.length || next.some((child, at) => child !== before[at])) {
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    place(part, next);
    if (focused && !part.contains(focused)) likeIn(part, focused)?.focus();
  }
  if (complete) seen.set(name, html);
  else seen.delete(name);
}

// The button or link that took the place of `old`: it looks the same.
const likeIn = (part, old) =>
  [...part.querySelectorAll(old.tagName)].find((one) => one.textContent === old.textContent);

// Puts `next` into `part` and moves only what is not in its place, so that focus and scrolling stay.
function place(part, next) {
  for (const child of [...part.children]) if (!next.includes(child)) child.remove();
  next.forEach((child, at) => {
    if (part.children[at] !== child) part.insertBefore(child, part.children[at] ?? null);
  });
}

let texts = null;
function announce(count) {
  if (texts !== null && count > texts) {
    const more = count - texts;
    document.getElementById("live").textContent = more === 1 ? "A text message arrived." : `${more} text messages arrived.`;
    const threads = document.querySelector('[data-part="phone"]');
    if (threads && !isBusy(threads)) threads.scrollTop = threads.scrollHeight;
  }
  texts = count;
}

async function look() {
  try {
    const answer = await fetch("/control-room/parts", { headers: { Accept: "application/json" } });
    if (answer.ok) {
      const { parts, texts: count } = await answer.json();
      for (const [name, html] of Object.entries(parts)) refresh(name, html);
      announce(count);
    }
  } catch {
    // The sandbox is being restarted; the next look will tell.
  }
  setTimeout(look, EVERY);
}

// A field that was typed in is kept until its form is sent.
document.addEventListener("input", (event) => event.target.setAttribute("data-touched", ""));

document.getElementById("error")?.focus();
look();
