// The plates in their shape: colored by any measure, with a click on a well, a search, and arrow keys.

function buildPlates(root) {
  const shown = EXPERIMENT.plates.filter((plate) => plate.wells);
  if (!shown.length) return;
  const state = { plate: shown[0].id, measure: null, words: "", beside: true };
  const charts = h("div", { class: "charts" });
  const status = h("p", { class: "quiet", "aria-live": "polite" });
  const sheet = h("div", { class: "sheet" });
  const pickPlate = chooser("Plate", shown.map((plate) => ({ value: plate.id, text: plateLabel(plate), group: plate.batch })), (value) => { state.plate = value; refresh(); });
  const measures = h("span", {});
  const feature = h("input", { type: "search", list: "feature-names", size: 28, placeholder: "any feature", "aria-label": "Color by a feature", change: () => { if (EXPERIMENT.features.includes(feature.value)) { state.measure = `feature:${feature.value}`; update(); } else if (!feature.value) { state.measure = null; refresh(); } } });
  const find = h("input", { type: "search", placeholder: "name, gene, well", "aria-label": "Find wells", input: () => { state.words = find.value; update(); } });
  const beside = h("input", { type: "checkbox", change: () => { state.beside = beside.checked; update(); } });
  beside.checked = true;
  const pictures = h("details", { toggle: () => drawSheet() }, h("summary", {}, "Pictures of all wells of this plate"), sheet);
  root.append(
    h("div", { class: "controls" }, pickPlate.field, measures, h("label", {}, "or by ", feature), h("label", {}, "Find ", find), h("label", {}, beside, " show plates with the same map")),
    h("datalist", { id: "feature-names" }, ...EXPERIMENT.features.map((name) => h("option", { value: name }))),
    EXPERIMENT.all_plates ? h("p", { class: "quiet" }, `${shown.length.toLocaleString("en")} of ${EXPERIMENT.all_plates.toLocaleString("en")} plates can be explored here, spread over the sample sheet; all have a page of their own, which the table below links to.`) : "",
    charts, status,
    h("p", { class: "quiet" }, `Hover over a well for its content and numbers; click it for its pictures and its strongest features. With the keyboard: arrow keys, then Enter. A white dot marks a flagged well. ${EXPERIMENT.features.length < EXPERIMENT.all_features ? `${EXPERIMENT.features.length} of ${EXPERIMENT.all_features} features are in this page; the profiles have all of them.` : ""}`),
    pictures,
  );

  function neighbors() {
    const first = getBlock(state.plate);
    const same = shown.filter((plate) => plate.id !== state.plate && plate.plate_map && plate.plate_map === first.plate_map && plate.perturbation === first.perturbation);
    return [first, ...(state.beside ? same.slice(0, 3).map((plate) => getBlock(plate.id)) : [])].filter(Boolean);
  }

  function refresh() {
    const list = listMeasures([getBlock(state.plate)]);
    if (!list.some(({ value }) => value === state.measure) && !(state.measure || "").startsWith("feature:")) state.measure = list[0].value;
    const picked = chooser("Color by", list, (value) => { state.measure = value; feature.value = ""; update(); });
    picked.select.value = state.measure;
    measures.replaceChildren(picked.field);
    pickPlate.select.value = state.plate;
    drawSheet();
    return update();
  }

  let drawing = Promise.resolve();
  function update() { drawing = drawing.then(redraw); return drawing; }

  async function redraw() {
    const plates = neighbors(), measure = readMeasure(state.measure, plates), wanted = splitWords(state.words);
    const values = plates.flatMap((plate) => plate.wells.map((_, well) => measure.of(plate, well)));
    const all = measure.kind === "number" ? values : nameClasses(values);
    let next = 0;
    const room = Math.max(300, charts.clientWidth || root.clientWidth);
    const narrow = room < 560; // the legend lies below the plate
    const width = narrow ? room : room > 900 && plates.length > 1 ? Math.max(380, room / Math.min(plates.length, 2) - 130) : room - 130;
    let found = 0, total = 0;
    charts.replaceChildren();
    for (const plate of plates) {
      const rows = plate.wells.map((name, well) => {
        const [, letters, number] = /^([A-Z]+)(\d+)$/.exec(name);
        const value = all[next];
        next += 1;
        const faded = wanted.length > 0 && !isFound(plate, well, wanted);
        found += !faded; total += 1;
        return { well: name, row: letters, column: Number(number), value, flagged: Boolean(plate.flags[name]), faded };
      });
      const titles = addTooltips(rows, plate.wells.map((_, well) => describeWell(plate, well, measure)));
      const place = h("div", { class: "chart", tabindex: "0", role: "application", "aria-label": `Plate ${plateLabel(plate)} colored by ${measure.name}; arrow keys choose a well, Enter opens it`, "data-name": `plate_${plate.plate}` });
      charts.append(h("figure", { class: "plate-chart" }, h("figcaption", {}, h("strong", {}, plateLabel(plate)), ` ${measure.name}`), place));
      const view = await draw(place, plateSpec(rows, plate.size, measure, all, titles, width, narrow), (datum) => { if (datum.well) openWell(plate.id, datum.well); });
      place.addEventListener("keydown", (event) => walk(event, plate, view, measure));
    }
    status.textContent = [wanted.length ? `${found} of ${total} wells found.` : "", measure.kind === "number" ? describeRange(values, measure.signed) : ""].join(" ").trim();
  }

  function walk(event, plate, view, measure) {
    const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    const at = view.signal("chosen");
    if (event.key === "Enter" && at) openWell(plate.id, at);
    if (!steps[event.key]) return;
    event.preventDefault();
    let [row, column] = at ? [letterNumber(at), Number(at.replace(/\D+/, ""))] : [0, 0];
    if (!at) [row, column] = [1, 0].map((n, i) => (i ? 1 - steps.ArrowRight[1] * (event.key === "ArrowRight") : n));
    for (let tries = 0; tries < Math.max(...plate.size); tries += 1) {
      row += steps[event.key][0]; column += steps[event.key][1];
      const name = row >= 1 && column >= 1 ? `${rowName(row)}${String(column).padStart(2, "0")}` : "";
      const well = plate.wells.indexOf(name);
      if (well >= 0) {
        view.signal("chosen", name).runAsync();
        status.textContent = Object.entries(describeWell(plate, well, measure)).map(([key, value]) => `${key}: ${value}`).join("; ");
        return;
      }
    }
  }

  function drawSheet() {
    const plate = getBlock(state.plate);
    pictures.hidden = !plate.sheets;
    if (!plate.sheets || !pictures.open) return;
    const names = plate.sheets.pictures;
    const picture = h("img", { alt: `Thumbnails of all wells of plate ${plateLabel(plate)}`, src: pictureOf(plate, names[0]) });
    const channel = chooser("Channel", names.map((name) => ({ value: name, text: name === "composite" ? "all stains" : name })), (value) => { picture.src = pictureOf(plate, value); });
    picture.addEventListener("click", (event) => {
      const column = Math.floor((event.offsetX / picture.clientWidth) * plate.sheets.columns) + 1;
      const row = Math.floor((event.offsetY / picture.clientHeight) * plate.sheets.rows) + 1;
      openWell(plate.id, `${rowName(row)}${String(column).padStart(2, "0")}`);
    });
    sheet.replaceChildren(h("p", {}, channel.field, " ", h("span", { class: "quiet" }, "Click a well to open it.")), h("div", { class: "scroll" }, picture));
  }

  root.showPlate = (identifier) => { state.plate = identifier; return refresh(); };
  return refresh();
}

// What the colors of a measure span, and how many wells lie beyond.
function describeRange(values, signed) {
  const [low, high] = colorRange(values, signed), known = values.filter(Number.isFinite);
  if (!known.length) return "No well has a value.";
  const [below, above] = [known.filter((value) => value < low).length, known.filter((value) => value > high).length];
  const beyond = [below ? `${below} below` : "", above ? `${above} above` : ""].filter(Boolean).join(" and ");
  const missing = values.length - known.length;
  const span = `Colors span ${asText(low)} to ${asText(high)}${beyond ? `; wells beyond have the color of the end (${beyond})` : ""}`;
  return `${span}.${missing ? ` ${missing} well${missing === 1 ? " has" : "s have"} no value (light gray).` : ""}`;
}

function letterNumber(name) {
  const letters = name.replace(/\d+/, "");
  return letters.length === 1 ? letters.charCodeAt(0) - 64 : 26 + letters.charCodeAt(1) - 64;
}
