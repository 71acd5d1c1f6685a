// Comfort, and nothing that a page needs: without this script, everything works by loading pages.
"use strict";

// Light or dark at once, without loading the page anew.
for (const form of document.querySelectorAll("[data-look-form]")) {
  form.addEventListener("submit", (event) => {
    const look = event.submitter?.value;
    if (!look) return;
    event.preventDefault();
    const sent = new URLSearchParams(new FormData(form));
    sent.set("look", look);
    fetch(form.action, { method: "POST", body: sent, redirect: "manual" });
    document.documentElement.dataset.look = look;
    for (const button of form.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.value === look));
    }
  });
}

// Searching while one types: the same page is asked for, and its results are put in place of the former ones.
for (const form of document.querySelectorAll("[data-search]")) {
  let waiting;
  let asking;
  const search = async () => {
    asking?.abort();
    asking = new AbortController();
    const address = new URL(form.action);
    address.search = new URLSearchParams(new FormData(form));
    try {
      const answer = await fetch(address, { signal: asking.signal, redirect: "error" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const found = page.querySelector("[data-results]");
      if (!found) return;
      document.querySelector("[data-results]").replaceChildren(...found.childNodes);
      history.replaceState(null, "", address);
      tellTimes(document.querySelector("[data-results]"));
    } catch {
      // Typed on, or signed out: the button still works.
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(search, 150);
  });
}

// A revealed value hides itself: also where the page is left open behind another.
for (const shown of document.querySelectorAll("[data-reveal]")) {
  const end = Date.now() + Number(shown.dataset.reveal) * 1000;
  const hide = () => {
    shown.textContent = "[REDACTED]";
    location.replace(shown.dataset.hide);
  };
  const tick = setInterval(() => {
    if (Date.now() < end) return;
    clearInterval(tick);
    hide();
  }, 1000);
  addEventListener("pagehide", () => { shown.textContent = "[REDACTED]"; });
}

// What is shown once can be copied at once.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}

// Times as the clock on the wall has them; what the server wrote is kept beside.
function tellTimes(within) {
  const near = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
  for (const time of within.querySelectorAll("time[datetime]:not([title])")) {
    const moment = new Date(time.dateTime);
    time.title = `${time.textContent}, here ${moment.toLocaleString()}`;
    const minutes = Math.round((moment - Date.now()) / 60000);
    if (time.hasAttribute("data-exact")) continue;
    if (Math.abs(minutes) < 60) time.textContent = near.format(minutes, "minute");
    else if (Math.abs(minutes) < 24 * 60) time.textContent = near.format(Math.round(minutes / 60), "hour");
  }
}
tellTimes(document);

// Whoever presses a button twice sends once.
addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
// Back in the history, it can be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// A problem that the server found is where one goes on.
document.querySelector("[aria-invalid=true]")?.focus();
