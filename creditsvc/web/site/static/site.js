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

// A file that is too large is told before it is sent.
for (const field of document.querySelectorAll("input[data-most]")) {
  field.addEventListener("change", () => {
    const large = [...field.files].some((file) => file.size > Number(field.dataset.most));
    field.setCustomValidity(large ? field.dataset.tooLarge : "");
    if (large) field.reportValidity();
  });
}

// What takes a while says so.
for (const form of document.querySelectorAll("form[data-wait]")) {
  const told = document.createElement("p");
  told.setAttribute("role", "status");
  form.append(told);
  form.addEventListener("submit", () => {
    form.setAttribute("aria-busy", "true");
    told.textContent = form.dataset.wait;
  });
  addEventListener("pageshow", () => {
    form.removeAttribute("aria-busy");
    told.textContent = "";
  });
}

// Sending goes on beneath the button; where the connection breaks, what was checked is still here to be sent again.
function sendInPlace(form) {
  const told = document.createElement("div");
  told.className = "steps";
  told.setAttribute("role", "status");
  form.after(told);
  form.addEventListener("submit", async (event) => {
    if (event.submitter?.hasAttribute("formaction")) return;
    event.preventDefault();
    if (form.getAttribute("aria-busy")) return;
    form.setAttribute("aria-busy", "true");
    const parse = (text) => new DOMParser().parseFromString(text, "text/html");
    let text = "", whole;
    try {
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        text += part.value;
        const step = parse(text).querySelector(".steps > :last-child");
        if (step) told.replaceChildren(document.adoptNode(step));
      }
      whole = parse(text);
      if (!whole.querySelector("main")) throw new Error("no page");
    } catch {
      told.textContent = form.dataset.lost;
      form.removeAttribute("aria-busy");
      return;
    }
    document.title = whole.title;
    document.querySelector("main").replaceChildren(...whole.querySelector("main").childNodes);
    document.querySelectorAll("main form[data-send]").forEach(sendInPlace);
    (document.getElementById("sent") ?? document.querySelector("main")).focus();
  });
}
document.querySelectorAll("form[data-send]").forEach(sendInPlace);
