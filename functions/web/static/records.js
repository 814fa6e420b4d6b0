// Looks for signs of life while the records page is open, so that the first launch shows by itself.

const live = document.getElementById("live");
const every = 5000; // milliseconds; a quarter of an hour of it is what a test visit takes
const mixUp = document.getElementById("mix-up");

/** Write `words` where they differ, so that a screen reader hears news only. */
function write(element, words) {
  if (element && element.textContent !== words) element.textContent = words;
}

async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch(live.dataset.live, { headers: { Accept: "application/json" } });
      if (answer.redirected || !answer.ok) return; // signed out: the page stays as it is
      const now = await answer.json();
      const tag = live.querySelector(".tag");
      if (tag.textContent.trim() !== now.first) {
        tag.classList.toggle("ok", now.received);
        tag.classList.toggle("warn", !now.received);
        tag.replaceChildren(now.first);
      }
      write(document.getElementById("live-last"), now.last);
      write(document.getElementById("live-message"), now.message);
      write(document.getElementById("live-checked"), now.checked);
      mixUp.hidden = !now.mix_up;
      if (now.mix_up) write(mixUp.querySelector("strong"), now.mix_up);
    } catch {
      // Offline for a moment: the next look may find more.
    }
  }
  setTimeout(look, every);
}

if (live) setTimeout(look, every);
