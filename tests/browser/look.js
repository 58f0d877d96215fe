// What runs in the page for the driver.

/** Runs before the page's own scripts: keeps what its link to the service was said to be, in order, and breaches of its policy. */
export function remember() {
  globalThis.breaches = [];
  document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
    globalThis.breaches.push(`${violatedDirective} forbids ${blockedURI}`),
  );
  globalThis.linkHistory = [];
  const note = () => {
    const state = document.querySelector("#link-state")?.textContent;
    if (state && state !== globalThis.linkHistory.at(-1)) globalThis.linkHistory.push(state);
  };
  new MutationObserver(note).observe(document, { subtree: true, childList: true, characterData: true });
}

/** What stands there, as a person sees it. What is hidden does not count. */
export function look() {
  const visible = (element) => element?.checkVisibility({ visibilityProperty: true }) ?? false;
  const text = (element) => (visible(element) ? element.innerText.trim() : "");
  const here = (element) => !element.classList.contains("is-leaving");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)].filter(here).filter(visible);
  const find = (selector, within = document) => within.querySelector(selector);

  const people = (card) =>
    all(".person", card).map((row) => ({
      name: text(find(".name", row)),
      kind: text(find(".kind", row)),
      sources: all(".icon", row).map((icon) => icon.getAttribute("aria-label")),
    }));
  const rooms = all(".room").map((card) => ({
    name: text(find("h3", card)),
    count: text(find(".count", card)),
    hint: text(find(".hint", card)),
    people: people(card),
  }));

  /** A number for each element; the same element always has the same one. */
  const numbers = (globalThis.elementNumbers ??= new Map());
  const numberOf = (element) => numbers.get(element) ?? numbers.set(element, numbers.size).size - 1;

  /** As the table says it, which those who listen have, too. */
  const past = visible(find("#past-drawn"))
    ? [...document.querySelectorAll("#past-table tr")].map((line, number) => ({
        person: find("bdi", line).textContent,
        left: line.children[2].textContent,
        inside: line.children[3].textContent,
        line: numberOf(line),
        bars: all(".past-row", find("#past-rows"))[number]?.querySelectorAll(".bar-inside").length ?? 0,
        microphones: all(".past-row", find("#past-rows"))[number]?.querySelectorAll(".bar-microphone").length ?? 0,
      }))
    : [];

  const roster = all("#roster-rows tr").map((line) => {
    const [person, status, role, microphone, actions] = line.children;
    return {
      person: text(person),
      status: text(status),
      role: text(role),
      microphone: text(microphone),
      buttons: all("button", actions).map((button) => text(button.firstElementChild)),
    };
  });

  const charts = all(".chart").map((chart) => ({
    title: text(find(".chart-title", chart)),
    values: text(find("dl", chart)).replace(/\s+/gu, " "),
    is_drawn: (find("canvas", chart)?.width ?? 0) > 0,
  }));

  return {
    charts,
    webhooks: all("#webhooks-rows > tr:not(.webhook-details)").map((row) =>
      [...row.children].map((cell) => text(cell.querySelector("button > span") ?? cell)),
    ),
    webhook_body: text(find(".webhook-details code")),
    dry_run: text(find(".dry-run-result")),
    has_roster: visible(find("#roster")),
    roster,
    roster_numbers: text(find("#roster-numbers")),
    roster_overflow: find("#roster-scroll").scrollWidth - find("#roster-scroll").clientWidth,
    refusal: text(find("#roster-refusal")),
    /** What moderators have besides the buttons of each person. */
    moderates: all("#roster-mute-all, #roster-invite, #roster-actions").map(({ id }) => id),
    has_past: visible(find("#past")),
    past,
    past_numbers: text(find("#past-numbers")),
    link: text(find("#link-state")),
    link_history: globalThis.linkHistory,
    link_color: getComputedStyle(find("#link")).color,
    announced: find("[role=status]").innerText.replace(/\s+/gu, " ").trim(),
    problem: text(find("#problem-message")).replace(/\s+/gu, " "),
    rooms,
    hints: all("main .hint")
      .filter((hint) => !hint.closest(".room"))
      .map(text),
    activity: all(".entry .what").map((what) => text(what).replace(/\s+/gu, " ")),
    /** Another one after each load of the page. */
    loaded_at: performance.timeOrigin,
    address: location.href,
    width: innerWidth,
    content_width: document.documentElement.scrollWidth,
    background: getComputedStyle(document.body).backgroundColor,
    focus: document.activeElement?.id || document.activeElement?.tagName.toLowerCase(),
    animations: document.getAnimations().length,
    markup_in_names: document.querySelectorAll(
      ".name *, h3 bdi *, .where *, .past-name *, #past-table bdi *, #roster-rows bdi *",
    ).length,
  };
}
