// What is drawn when: the first screen at once, the rest when it is needed. A part of the page that is folded
// waits in a template, which costs neither layout nor pictures until it is opened.

// The first cells of a table of perturbations or of hits open cards.
function linkCards(part) {
  for (const table of part.querySelectorAll("table[id$='-perturbations'], table[id$='-hits']")) {
    for (const row of table.tBodies[0].rows) {
      const [cell] = row.cells, name = cell.textContent;
      cell.replaceChildren(button(shortText(name, 80), () => openCard(name)));
    }
  }
}

function unfold(details) {
  const template = details.querySelector(":scope > template");
  if (!template) return;
  const part = template.content.cloneNode(true);
  prepareTables(part);
  prepareFigures(part);
  linkCards(part);
  template.replaceWith(part);
}

const STEPS = new Map(); // element: how it is drawn, once
async function drawOnce(element) {
  const step = STEPS.get(element);
  STEPS.delete(element);
  if (!step) return;
  await step();
  element.dataset.drawn = "yes";
}

async function explore() {
  const [plates, profiles] = [document.getElementById("plate-explorer"), document.getElementById("profile-explorer")];
  if (EXPERIMENT && plates) STEPS.set(plates, () => buildPlates(plates));
  if (EXPERIMENT && profiles) STEPS.set(profiles, () => buildProfiles(profiles));
  for (const details of document.querySelectorAll("details")) {
    details.addEventListener("toggle", () => { if (details.open) unfold(details); });
    if (details.open) STEPS.set(details, async () => unfold(details));
  }
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { observer.unobserve(entry.target); drawOnce(entry.target); }
  }, { rootMargin: "400px" });
  await buildScores();
  for (const element of STEPS.keys()) observer.observe(element);
  document.documentElement.dataset.ready = "yes";
}

// A printed page has everything.
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) unfold(details);
  for (const element of [...STEPS.keys()]) drawOnce(element);
});

explore();
