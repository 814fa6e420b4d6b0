// What spares people steps in the portal. Every page works without this file, as plain forms and links.

const said = document.getElementById("said");

// A refused form says first what is wrong; a done deed is read out too.
document.querySelector("#errors, [data-focus]")?.focus();

/** Give the fields of `row`, a copy of another row, their own ids and empty values. */
function renew(row, number) {
  for (const input of row.querySelectorAll("input, select, textarea")) {
    const label = row.querySelector(`label[for="${CSS.escape(input.id)}"]`);
    input.id = input.id.replace(/(-\d+)?$/, `-${number}`);
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
    input.value = "";
    if (!label) continue;
    label.htmlFor = input.id;
    label.textContent = label.textContent.replace(/\d+/, number);
  }
  for (const button of row.querySelectorAll("button[value]")) button.value = button.value.replace(/\d+$/, number - 1);
  for (const hidden of row.querySelectorAll("button .unseen")) hidden.textContent = hidden.textContent.replace(/\d+/, number);
}

function addRow(button) {
  const rows = document.getElementById(button.dataset.addRow);
  const row = rows.lastElementChild.cloneNode(true);
  renew(row, Number(rows.dataset.next ??= rows.children.length + 1));
  rows.dataset.next = Number(rows.dataset.next) + 1;
  rows.append(row);
  offerRemoval(rows);
  row.querySelector("input").focus();
}

/** The only row cannot be removed. */
function offerRemoval(rows) {
  for (const button of rows.querySelectorAll("[data-remove-row]")) button.hidden = rows.children.length === 1;
}

function removeRow(button) {
  const row = button.closest("[data-row]");
  const rows = row.parentElement;
  const neighbour = row.previousElementSibling ?? row.nextElementSibling;
  row.remove();
  offerRemoval(rows);
  neighbour.querySelector("input").focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.addRow) {
    event.preventDefault();
    addRow(button);
  } else if ("removeRow" in button.dataset) {
    event.preventDefault();
    removeRow(button);
  } else if ("print" in button.dataset) {
    print();
  } else if (button.dataset.open) {
    // A dialog asks once more where a script runs; without one the button's form asks on its own page.
    const dialog = document.getElementById(button.dataset.open);
    if (!dialog?.showModal) return;
    event.preventDefault();
    dialog.showModal();
  } else if ("close" in button.dataset) {
    button.closest("dialog").close();
  }
});

// The browser knows its own zone, which is most often the clinic's. "UTC" only says that it will not tell.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
for (const input of document.querySelectorAll("[data-own-zone]")) if (zone.includes("/")) input.value ||= zone;

// Things only a script can do are shown by it.
for (const element of document.querySelectorAll("[data-with-script]")) element.hidden = false;

// What a page says after a deed is also said to those who do not see it, once the page stands.
const news = document.querySelector(".notice[role=status]");
if (news) said.textContent = news.textContent.trim();
