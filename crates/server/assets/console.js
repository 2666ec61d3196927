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
