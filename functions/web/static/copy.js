// Copy buttons. Each copies its `data-copy`, or the page's address when that is empty, and says so in words.

for (const button of document.querySelectorAll("[data-copy]")) {
  // Shown by this script only: without it the button could do nothing.
  button.parentElement.hidden = false;
  button.addEventListener("click", () => copy(button));
}

async function copy(button) {
  const value = button.dataset.copy || location.href;
  try {
    await navigator.clipboard.writeText(value);
  } catch {
    // In-app browsers often have no clipboard but can share.
    try {
      await navigator.share({ url: value });
    } catch {
      return; // The person closed the sheet, or there is none: the button stays as it was.
    }
    return;
  }
  const label = button.querySelector("span");
  const usual = label.textContent;
  label.textContent = button.dataset.copied;
  document.getElementById("said").textContent = button.dataset.copied;
  setTimeout(() => { label.textContent = usual; }, 4000);
}
