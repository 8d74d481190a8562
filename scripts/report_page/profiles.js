// The wells on maps, the perturbations against their null, and the scores of the first screen.

function conditionLabel(condition) {
  const several = new Set(EXPERIMENT.conditions.map((each) => each.feature_set)).size > 1;
  return several ? `${condition.label}, ${condition.feature_set}` : condition.label;
}

// A link to the table that has all perturbations of a condition, of which the page has some.
const linkToAll = ({ file, link }) => h("a", { href: link }, file);

const KIND = "text:control type";

function buildProfiles(root) {
  if (!EXPERIMENT.conditions.length) return;
  const state = { condition: EXPERIMENT.conditions[0].id, map: null, measure: null, words: "" };
  const map = h("div", { class: "chart", "data-name": "profiles" });
  const ranks = h("div", { class: "chart", "data-name": "replicate_correlations" });
  const found = h("p", { class: "found" }), share = h("span", {}), ranked = h("span", {});
  const leftOut = h("p", { class: "quiet", "data-name": "left_out" });
  const maps = h("span", {}), measures = h("span", {});
  const condition = chooser("Condition", EXPERIMENT.conditions.map((each) => ({ value: each.id, text: conditionLabel(each) })), (value) => { state.condition = value; refresh(); });
  const find = h("input", { type: "search", placeholder: "name, gene, well", "aria-label": "Find a perturbation", input: () => { state.words = find.value; update(); } });
  root.append(
    h("div", { class: "controls" }, condition.field, maps, measures, h("label", {}, "Find ", find)),
    leftOut, found,
    h("div", { class: "pair" },
      h("figure", {}, h("figcaption", {}, h("strong", {}, "Wells."), " Each point is a well", share, "; click it to open it. Drag to move, scroll to zoom, double-click to reset."), map),
      h("figure", {}, h("figcaption", {}, h("strong", {}, "Replicates."), " Each point is a perturbation", ranked, ", above or below its threshold (tick); the null is above. Click a point to open its card."), ranks)),
  );

  function refresh() {
    const data = getBlock(state.condition);
    const axes = data.points ? Object.keys(data.points.axes) : [];
    const pairs = [];
    if (axes.includes("PC2")) pairs.push("PC1/PC2");
    if (axes.includes("UMAP2")) pairs.push("UMAP1/UMAP2");
    for (let n = 3; n < 6; n += 2) if (axes.includes(`PC${n + 1}`)) pairs.push(`PC${n}/PC${n + 1}`);
    if (!pairs.includes(state.map)) [state.map] = pairs;
    const pickMap = chooser("Map", pairs.map((value) => ({ value, text: value.replace("/", " and ") })), (value) => { state.map = value; update(); });
    if (state.map) pickMap.select.value = state.map;
    maps.replaceChildren(pairs.length ? pickMap.field : "");
    const plates = data.plates.map(getBlock).filter(Boolean);
    const list = listMeasures(plates);
    // With many perturbations the colors tell only what kind of well it is.
    if (!list.some(({ value }) => value === state.measure)) state.measure = list.some(({ value }) => value === KIND) && data.perturbations.length > 20 ? KIND : "treatment:";
    const pick = chooser("Color by", list, (value) => { state.measure = value; update(); });
    pick.select.value = state.measure;
    measures.replaceChildren(pick.field);
    return update();
  }

  let drawing = Promise.resolve();
  function update() { drawing = drawing.then(redraw); return drawing; }

  async function redraw() {
    const data = getBlock(state.condition), wanted = splitWords(state.words), measure = readMeasure(state.measure, data.plates.map(getBlock).filter(Boolean));
    const width = Math.max(280, Math.min(620, map.parentElement.clientWidth - 10));
    if (data.points && state.map) {
      const [x, y] = state.map.split("/");
      const rows = [], tooltips = [];
      data.points.plate.forEach((identifier, i) => {
        const plate = getBlock(identifier);
        const well = plate ? plate.wells.indexOf(data.points.well[i]) : -1;
        if (well < 0) return;
        rows.push({ plate: identifier, well: plate.wells[well], x: data.points.axes[x][i], y: data.points.axes[y][i], value: measure.of(plate, well), faded: wanted.length > 0 && !isFound(plate, well, wanted) });
        tooltips.push({ ...describeWell(plate, well), [shortText(measure.name)]: asText(measure.of(plate, well)) });
      });
      if (measure.kind !== "number") {
        const names = nameClasses(rows.map((row) => row.value));
        rows.forEach((row, i) => { row.value = names[i]; });
        rows.sort((a, b) => (b.value in GRAYS) - (a.value in GRAYS)); // the colors lie above the grays
      }
      const every = data.plates.map(getBlock).filter(Boolean).reduce((sum, plate) => sum + plate.wells.length, 0);
      const there = data.plates.map(getBlock).filter(Boolean).length, all = data.plates.length;
      const onPlates = there < all ? ` on the ${there.toLocaleString("en")} of ${all.toLocaleString("en")} plates that this page has` : "";
      share.textContent = rows.length < every || onPlates ? ` (${rows.length.toLocaleString("en")} of ${every.toLocaleString("en")}${onPlates})` : "";
      const titles = addTooltips(rows, tooltips);
      const explained = (axis) => (data.shares[axis] ? `${axis} (${(100 * data.shares[axis]).toFixed(1)} %)` : axis.replace("UMAP", "UMAP "));
      await draw(map, mapSpec(rows, [explained(x), explained(y)], measure, titles, width), (datum) => { if (datum.plate) openWell(datum.plate, datum.well); });
    } else map.replaceChildren(h("p", { class: "quiet" }, "This condition has no map of its wells."));
    const partial = data.left_out;
    leftOut.hidden = !partial;
    if (partial) leftOut.replaceChildren(`${partial.text}. `, linkToAll(partial), ` has all ${partial.total.toLocaleString("en")}.`);
    const scored = data.perturbations.filter((row) => row["Replicate correlation (median)"] !== undefined);
    const matches = (row) => wanted.every((word) => Object.values(row).join(" ").toLowerCase().includes(word));
    ranked.textContent = partial ? ` (${scored.length.toLocaleString("en")} of ${partial.scored.toLocaleString("en")})` : "";
    if (scored.length) {
      const points = scored.map((row, i) => ({ name: row.name, rank: partial ? partial.ranks[i] : i + 1, x: row["Replicate correlation (median)"], threshold: row.Threshold, kind: row.Replicating === "yes" ? "Replicating" : "Not replicating", faded: wanted.length > 0 && !matches(row) }));
      const titles = addTooltips(points, scored.map((row) => ({ Perturbation: shortText(row.name), ...Object.fromEntries(Object.entries(row).filter(([key]) => key !== "name").map(([key, value]) => [key, shortText(asText(value))])) })));
      const sum = data.null ? data.null.counts.reduce((a, b) => a + b, 0) : 1;
      const bars = data.null ? data.null.counts.map((count, i) => ({ from: data.null.edges[i], to: data.null.edges[i + 1], share: (100 * count) / sum })) : [];
      await draw(ranks, nullSpec(bars, points, titles, width - 110), (datum) => { if (datum.name) openCard(datum.name); });
    } else ranks.replaceChildren(h("p", { class: "quiet" }, "No perturbation of this condition was scored."));
    const hits = wanted.length ? data.perturbations.filter(matches) : [];
    const among = partial ? [` among the ${partial.shown.toLocaleString("en")} on this page; the other ${(partial.total - partial.shown).toLocaleString("en")} are not searched: see `, linkToAll(partial)] : [];
    found.replaceChildren(...(wanted.length ? [`${hits.length} perturbation${hits.length === 1 ? "" : "s"} found`, ...among, ". ", ...hits.slice(0, 12).map((row) => button(shortText(row.name, 40), () => openCard(row.name)))] : []));
  }
  return refresh();
}

async function buildScores() {
  const scores = getBlock("scores") || {};
  for (const figure of document.querySelectorAll("figure[data-score]")) {
    const charts = scores[figure.dataset.score] || [];
    const places = h("div", {});
    figure.prepend(places);
    for (const { title, unit, chance, rows } of charts) {
      const place = h("div", { class: "chart", "data-name": figure.dataset.score });
      places.append(h("p", { class: "table-title" }, title), place);
      const tooltips = rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key[0].toUpperCase() + key.slice(1), asText(value)])));
      const bars = rows.map((row) => ({ label: row.condition, set: row["feature set"] || "", x: row.score, low: row["sampling low"], high: row["sampling high"], published: row.published }));
      const titles = addTooltips(bars, tooltips);
      await draw(place, scoreSpec(bars, titles, unit === "%" ? "% above the null; line: 95 % interval (other perturbations)" : title, chance, unit === "%", Math.max(260, Math.min(900, figure.clientWidth - 40))));
    }
    if (charts.length) figure.querySelector(":scope > a").hidden = true;
  }
}
