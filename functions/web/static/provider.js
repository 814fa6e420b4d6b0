// The provider's live page: asks who is here, changes the rows that changed, and says so politely.

const SEEN_EVERY = 3_000;
const HIDDEN_EVERY = 15_000;
const DELAYED_AFTER = 20_000;
const STOPS_AFTER_END = 30 * 60_000;
const SVG = "http://www.w3.org/2000/svg";

const live = document.getElementById("live");
const people = document.getElementById("people");
const trouble = document.getElementById("trouble");
const outcome = document.getElementById("outcome");
const teams = document.getElementById("teams");
const said = document.getElementById("said");
const { people: names, words, sayings, outcomes, numbered, delayed, unwatched } = JSON.parse(
  document.getElementById("words").textContent,
);
const clock = new Intl.DateTimeFormat(language(), { hour: "numeric", minute: "2-digit", timeZone: live.dataset.zone });

let etag = "";
let shown = null; // what the rows say now; null until the first answer
let heardAt = Date.now();
let endedAt = live.dataset.ended ? Date.now() : null;
let timer = 0;

function language() {
  const own = document.documentElement.lang;
  // The page's own English and Spanish follow the clinic's country, and so does the clock here.
  const american = /^(America|US|Canada)\/|^Pacific\/Honolulu$/.test(live.dataset.zone);
  if (own === "es") return american ? "es-US" : "es";
  if (own === "en") return american ? "en-US" : "en-GB";
  return own;
}

function filled(text, values) {
  const whole = text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
  // Spanish says "desde la 1:30" but "desde las 2:30".
  return document.documentElement.lang === "es" ? whole.replace(/\blas (?=1:\d\d\b)/g, "la ") : whole;
}

/** "Guest 2" when there are several, otherwise "Guest"; a name when Teams gave one. */
function labels(participants) {
  const seen = {};
  return participants.map((one) => {
    const alike = participants.filter((other) => other.who === one.who).length;
    const number = (seen[one.who] = (seen[one.who] ?? 0) + 1);
    if (one.name) return one.name;
    return alike > 1 ? filled(numbered, { who: names[one.who], number }) : names[one.who];
  });
}

function described(one) {
  if (!one.since || !words[`${one.presence}_since`]) return words[one.presence];
  const since = new Date(one.since.replace(" ", "T"));
  const minutes = Math.floor((Date.now() - since) / 60_000);
  if (one.presence === "waiting" && minutes >= 1) return filled(words.waiting_for, { minutes });
  return filled(words[`${one.presence}_since`], { time: clock.format(since).replace(/[\u202f\u00a0]/g, " ") });
}

function emptyRow() {
  const row = document.createElement("li");
  const icon = document.createElementNS(SVG, "svg");
  icon.setAttribute("class", "icon");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  icon.append(document.createElementNS(SVG, "use"));
  row.append(icon, document.createElement("b"), document.createElement("span"));
  return row;
}

/** Put `text` into `element` unless it is there already: an untouched row keeps selections and reading places. */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function draw(participants) {
  while (people.children.length > participants.length) people.lastElementChild.remove();
  while (people.children.length < participants.length) people.append(emptyRow());
  const called = labels(participants);
  participants.forEach((one, index) => {
    const row = people.children[index];
    if (row.dataset.presence !== one.presence) {
      row.dataset.presence = one.presence;
      row.querySelector("use").setAttribute("href", `#is-${one.presence}`);
    }
    put(row.querySelector("b"), called[index]);
    put(row.querySelector("span"), described(one));
  });
}

/** Say what is new since `before`. */
function announce(before, participants) {
  const called = labels(participants);
  const was = new Map(labels(before).map((label, index) => [label, before[index].presence]));
  const news = participants.flatMap((one, index) =>
    (was.get(called[index]) ?? "absent") === one.presence ? [] : [filled(sayings[one.presence], { who: called[index] })],
  );
  if (news.length) said.textContent = news.join(" ");
}

function rows() {
  return [...people.children].map((row) => row.dataset.presence);
}

function warn(watched) {
  const late = Date.now() - heardAt > DELAYED_AFTER;
  const text = late ? delayed : watched ? "" : unwatched;
  if (text) put(trouble, text);
  trouble.hidden = !text;
}

function show(facts) {
  if (shown) announce(shown.participants, facts.participants);
  else if (rows().join() !== facts.participants.map((one) => one.presence).join()) {
    announce([], facts.participants.filter((one) => one.presence !== "absent"));
  }
  shown = facts;
  if (facts.meeting && teams.getAttribute("href") !== facts.meeting) {
    teams.href = facts.meeting;
    teams.parentElement.hidden = false;
  }
  outcome.hidden = !facts.ended;
  if (facts.ended) {
    put(outcome, outcomes[facts.outcome] ?? "");
    endedAt ??= Date.now();
  } else {
    endedAt = null;
  }
}

async function ask() {
  clearTimeout(timer);
  try {
    const answer = await fetch(live.dataset.path, {
      headers: { Accept: "application/json", ...(etag && { "If-None-Match": etag }) },
      signal: AbortSignal.timeout?.(10_000),
    });
    if (answer.status === 304) {
      heardAt = Date.now();
    } else if (answer.ok) {
      const facts = await answer.json();
      etag = answer.headers.get("ETag") ?? "";
      heardAt = Date.now();
      show(facts);
    }
  } catch {
    // Teams is not affected; after a while the page says that it is behind.
  }
  if (shown) draw(shown.participants); // also when nothing changed: minutes go by
  warn(shown ? shown.watched : trouble.hidden);
  if (endedAt && Date.now() - endedAt > STOPS_AFTER_END) return;
  timer = setTimeout(ask, document.hidden ? HIDDEN_EVERY : SEEN_EVERY);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && timer) ask();
});
ask();
