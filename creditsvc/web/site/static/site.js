"use strict";
// A little help where a script may run; every page is whole without it.

// Suggestions: names that the search finds, once nothing has been typed for a moment.
for (const input of document.querySelectorAll("input[data-suggest]")) {
  const list = document.getElementById(input.getAttribute("list"));
  let waiting, asked = "";
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const text = input.value.trim();
      if (text.length < 2 || text === asked || /^[0-9A-Za-z :.-]*\d{6}/.test(text)) return;
      asked = text;
      const answer = await fetch(`${input.dataset.suggest}?limit=8&name=${encodeURIComponent(text)}`);
      if (!answer.ok || asked !== text) return;
      const found = await answer.json();
      list.replaceChildren(...found.items.map((item) => {
        const option = document.createElement("option");
        option.value = item.name;
        option.label = item.entity;
        return option;
      }));
    }, 250);
  });
}

// A slider through time, beside the field for the day.
for (const form of document.querySelectorAll("form.when")) {
  const field = form.querySelector("input[type=date]");
  const day = 86400000, first = Date.parse(form.dataset.first), last = Date.parse(form.dataset.last);
  if (!(last > first)) continue;
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = 0;
  slider.max = Math.round((last - first) / day);
  slider.value = Math.round((Date.parse(field.value) - first) / day);
  slider.setAttribute("aria-label", form.querySelector("label").textContent);
  slider.setAttribute("aria-valuetext", field.value);
  slider.addEventListener("input", () => {
    field.value = new Date(first + slider.value * day).toISOString().slice(0, 10);
    slider.setAttribute("aria-valuetext", field.value);
  });
  slider.addEventListener("change", () => form.submit());
  field.before(slider);
}
