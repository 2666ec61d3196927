// Copying, true modal dialogs, one sending per form, the account menu's manners.
// Every page works without this file, except for copying.
(() => {
  "use strict";

  // --- copying ---------------------------------------------------------------

  // A live region outside an open dialog is not heard, so the nearest one speaks.
  const say = (near, text) => {
    const place = near.closest("dialog, .page") || document;
    const region = place.querySelector("[data-said]");
    if (!region) return;
    region.textContent = "";
    setTimeout(() => { region.textContent = text; }, 30);
  };

  const selectAll = (element) => {
    if ("select" in element) {
      element.focus();
      element.select();
    } else {
      getSelection().selectAllChildren(element);
    }
  };

  const copy = async (element) => {
    const text = "value" in element ? element.value : element.textContent;
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // No clipboard here: plain HTTP, an iframe, or a policy. The older way needs a selection.
      const before = document.activeElement;
      selectAll(element);
      try {
        if (!document.execCommand("copy")) return false;
      } catch {
        return false;
      }
      getSelection().removeAllRanges();
      before?.focus();
      return true;
    }
  };

  const resets = new WeakMap();

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const element = document.getElementById(button.dataset.copy);
    if (!element) return;
    const done = await copy(element);
    const keys = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘C" : "Ctrl+C";
    const message = done ? "Copied" : `Press ${keys}`;
    const label = button.querySelector("[data-label]");
    label.textContent = message;
    button.classList.toggle("is-done", done);
    button.classList.toggle("is-blocked", !done);
    say(button, message);
    clearTimeout(resets.get(button));
    resets.set(button, setTimeout(() => {
      label.textContent = "Copy";
      button.classList.remove("is-done", "is-blocked");
      say(button, "");
    }, done ? 2400 : 8000));
  });

  // --- dialogs ---------------------------------------------------------------

  for (const dialog of document.querySelectorAll("dialog[data-dialog][open]")) {
    dialog.close();
    document.querySelector(".page")?.removeAttribute("inert"); // showModal does it better, and undoes it
    dialog.showModal();
    const leave = dialog.dataset.cancel;
    dialog.addEventListener("cancel", (event) => {
      if (event.target !== dialog) return;
      event.preventDefault();
      if (leave) location.assign(leave);
    });
    // A browser may force a dialog shut at the second Esc; nothing must be lost or left half open by that.
    dialog.addEventListener("close", () => {
      if (dialog.open) return; // the close above, heard late
      if (leave) location.assign(leave);
      else dialog.showModal();
    });
    for (const value of dialog.querySelectorAll("textarea.value")) {
      value.addEventListener("focus", () => value.select());
      if (!CSS.supports("field-sizing", "content")) value.style.height = `${value.scrollHeight + 2}px`;
    }
  }

  // --- forms that are complete, or not yet -----------------------------------------

  const shown = (element) => element.getClientRects().length > 0;

  const isComplete = (form) => {
    for (const field of form.querySelectorAll("input[required]")) {
      if (!shown(field)) continue;
      const filled = field.type === "radio"
        ? form.querySelector(`input[name="${field.name}"]:checked`)
        : field.value.trim() !== "";
      if (!filled) return false;
    }
    const scopes = form.querySelector("[data-scopes]");
    if (scopes && shown(scopes)) {
      const lines = scopes.querySelector("textarea");
      if (lines ? lines.value.trim() === "" : !scopes.querySelector("[name=scopes]:checked")) return false;
    }
    const day = form.querySelector("[name=expires_on]");
    return !(day && shown(day) && day.value === "");
  };

  const completions = [];
  for (const form of document.querySelectorAll("form[data-complete]")) {
    const submit = form.querySelector("button[type=submit]");
    const update = () => {
      submit.disabled = !isComplete(form);
      const count = form.querySelector("[data-scope-count]");
      if (count) count.textContent = `${form.querySelectorAll("[name=scopes]:checked").length} picked`;
    };
    form.addEventListener("input", update);
    form.addEventListener("change", update);
    update();
    completions.push(update);
  }

  for (const form of document.querySelectorAll("form[data-ticked]")) {
    const submit = form.querySelector("button[type=submit]");
    const id = form.getAttribute("id"); // form.id would be the boxes of that name
    const update = () => { submit.disabled = !document.querySelector(`input[form="${id}"]:checked`); };
    document.addEventListener("change", update);
    update();
    completions.push(update);
  }

  // --- picking scopes, adding one's own address ---------------------------------------

  const tools = document.querySelector("[data-scope-tools]");
  if (tools) {
    tools.hidden = false;
    const list = tools.parentElement;
    tools.querySelector("input").addEventListener("input", (event) => {
      event.stopPropagation();
      const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const group of list.querySelectorAll(".scope-group")) {
        let any = false;
        for (const choice of group.querySelectorAll(".choice")) {
          const text = choice.textContent.toLowerCase();
          choice.hidden = !words.every((word) => text.includes(word));
          any ||= !choice.hidden;
        }
        group.hidden = !any;
      }
    });
    tools.querySelector("input").addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();
    });
    tools.querySelector("[data-read-only]").addEventListener("click", (event) => {
      for (const box of list.querySelectorAll("[name=scopes]")) box.checked = "reads" in box.dataset;
      event.target.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }

  for (const button of document.querySelectorAll("[data-add-own]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const field = button.closest(".field");
      const lines = field.querySelector("textarea");
      const own = field.querySelector("[data-own]").textContent;
      const all = lines.value.split("\n").map((line) => line.trim()).filter(Boolean);
      if (!all.includes(own)) all.push(own);
      lines.value = all.join("\n");
      lines.focus();
    });
  }

  // --- one sending per form ------------------------------------------------------

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    // Not now: a disabled button is left out of what is being sent.
    setTimeout(() => {
      for (const button of form.querySelectorAll("button[type=submit]")) button.disabled = true;
    });
  });

  // Coming back by the Back button finds the form usable again.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll("button[type=submit]")) button.disabled = false;
    }
    for (const update of completions) update();
  });

  // --- the account menu ----------------------------------------------------------

  const menu = document.querySelector("[data-menu]");
  if (menu) {
    document.addEventListener("click", (event) => {
      if (menu.open && !menu.contains(event.target)) menu.open = false;
    });
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
    menu.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
    });
  }
})();
