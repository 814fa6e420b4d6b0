// Copy buttons. Each copies its `data-copy`, or the text of the element named in `data-copy-of`, or else the page's
// address, and says so in words. Without this script they stay hidden.

for (const button of document.querySelectorAll("[data-copy], [data-copy-of]")) {
  // Shown by this script only: without it the button could do nothing.
  button.parentElement.hidden = false;
  button.addEventListener("click", () => copy(button));
}

/** A summary as lines of "name: value"; the text of anything else. */
function textOf(element) {
  if (element.tagName !== "DL") return element.textContent.trim();
  return [...element.querySelectorAll(":scope > div")]
    .map((row) => `${row.querySelector("dt").textContent.trim()}: ${row.querySelector("dd").textContent.trim()}`)
    .join("\n");
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copyOf ?? "");
  const value = source ? textOf(source) : button.dataset.copy || location.href;
  try {
    await navigator.clipboard.writeText(value);
  } catch {
    if (source) {
      // Selected, so that the keyboard's own copy works.
      getSelection().selectAllChildren(source);
      document.getElementById("said").textContent = button.dataset.refused;
      return;
    }
    // In-app browsers often have no clipboard but can share.
    try {
      await navigator.share({ url: value });
    } catch {
      return; // The person closed the sheet, or there is none: the button stays as it was.
    }
    return;
  }
  const label = button.querySelector("span");
  label.dataset.usual ??= label.textContent;
  label.textContent = button.dataset.copied;
  document.getElementById("said").textContent = button.dataset.copied;
  setTimeout(() => { label.textContent = label.dataset.usual; }, 4000);
}
