"use strict";
const rows = Array.from(document.querySelectorAll("#cases tbody tr"));
const words = document.getElementById("words");
const picks = Array.from(document.querySelectorAll(".filters select"));
const count = document.getElementById("count");
const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
function filter() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let left = 0;
  for (const row of rows) {
    const fits = picks.every((p) => !p.value || row.dataset[p.dataset.key] === p.value)
      && wanted.every((w) => texts.get(row).includes(w));
    row.hidden = !fits;
    left += fits ? 1 : 0;
  }
  count.textContent = `${left} of ${rows.length} cases`;
}
words.addEventListener("input", filter);
picks.forEach((p) => p.addEventListener("change", filter));
filter();
