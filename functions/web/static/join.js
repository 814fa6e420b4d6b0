// What a patient's page does beyond its links and its form. Nothing here is needed to join.

// Views inside other apps may not reach the camera. What the view can do counts more than its name.
const IN_APP = /FBAN|FBAV|Instagram|Line\/|MicroMessenger|GSA\/|; wv\)/;
const warning = document.getElementById("in-app");
if (warning && (IN_APP.test(navigator.userAgent) || !navigator.mediaDevices?.getUserMedia)) warning.hidden = false;

// First arrival: on to Teams after a moment. Someone who comes back with the browser's Back button stays here.
const onward = document.querySelector("[data-go]");
const [arrival] = performance.getEntriesByType("navigation");
if (onward && arrival?.type !== "back_forward") {
  setTimeout(() => location.assign(onward.href), Number(onward.dataset.go) * 1000);
}

// A page that waits for something looks again, and is only loaded anew when its state has changed: a reload
// would take the place from someone who reads with a screen reader.
const { lookAgain, state } = document.body.dataset;
if (lookAgain) {
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const text = await answer.text();
      if (answer.ok && !text.includes(` data-state="${state}"`)) location.reload();
    } catch {
      // Offline for a moment; the next look will tell.
    }
  }, Number(lookAgain) * 1000);
}

// Words for those who have waited long.
for (const late of document.querySelectorAll("[data-after]")) {
  setTimeout(() => {
    late.hidden = false;
    document.getElementById("said").textContent = late.textContent;
  }, Number(late.dataset.after) * 1000);
}
