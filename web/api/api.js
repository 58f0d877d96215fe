// Shows /openapi.json: each route with its parameters, bodies, answers and events, and the schemas at the end.

const METHODS = ["get", "post", "put", "patch", "delete"];

/** An element with these attributes, and with these elements and texts in it. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** What is referred to, or the thing itself. */
function resolved(root, thing) {
  if (!thing.$ref) return thing;
  return thing.$ref
    .slice(2)
    .split("/")
    .reduce((at, part) => at[part], root);
}

const nameOf = (reference) => reference.split("/").at(-1);

/** A text in which what stands between backticks is code. */
function words(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

/** The type of a schema in a few words, in which the names of other schemas are links. */
function typeOf(schema) {
  if (schema.$ref) return [element("a", { href: `#${nameOf(schema.$ref)}` }, nameOf(schema.$ref))];
  if (schema.oneOf) return schema.oneOf.flatMap((one, index) => (index ? [" or ", ...typeOf(one)] : typeOf(one)));
  if (schema.const !== undefined) return [JSON.stringify(schema.const)];
  if (schema.enum) return [schema.enum.map((one) => JSON.stringify(one)).join(" or ")];
  const type = [schema.type ?? "anything"].flat().join(" or ");
  if (schema.items) return [`${type} of `, ...typeOf(schema.items)];
  return [schema.format ? `${type} (${schema.format})` : type];
}

/** The fields of a schema, and of those in it that have no name. */
function fieldsOf(schema) {
  if (schema.$ref) return null;
  if (schema.oneOf) return element("div", {}, ...schema.oneOf.map((one) => fieldsOf(one) ?? ""));
  if (schema.items) return fieldsOf(schema.items);
  if (!schema.properties) return null;
  const list = element("dl", {});
  for (const [name, field] of Object.entries(schema.properties)) {
    const left = schema.required?.includes(name) ? "" : ", may be left out";
    const type = element("span", { class: "quiet" }, " ", ...typeOf(field), left);
    list.append(element("dt", {}, element("code", {}, name), type));
    list.append(element("dd", {}, ...words(field.description ?? ""), fieldsOf(field)));
  }
  return list;
}

const heading = (text) => element("h3", {}, text);

function parameters(root, operation) {
  if (!operation.parameters) return [];
  const list = element("dl", {});
  for (const { name, in: place, required, description, schema } of operation.parameters.map((one) =>
    resolved(root, one),
  )) {
    const about = element("span", { class: "quiet" }, ` in ${place}${required ? ", needed" : ""}: `, ...typeOf(schema));
    list.append(element("dt", {}, element("code", {}, name), about), element("dd", {}, ...words(description)));
  }
  return [heading("Parameters"), list];
}

function body(operation) {
  if (!operation.requestBody) return [];
  const [[kind, { schema }]] = Object.entries(operation.requestBody.content);
  return [heading("Body"), element("p", {}, element("code", {}, kind), " ", ...typeOf(schema))];
}

/** Events by their names, each with the schema of its data. */
function eventsOf(events) {
  const list = element("dl", {});
  for (const [name, schema] of Object.entries(events ?? {})) {
    list.append(element("dt", {}, element("code", {}, name)), element("dd", {}, ...typeOf(schema)));
  }
  return list;
}

function answers(root, responses) {
  const list = element("dl", {});
  for (const [status, response] of Object.entries(responses)) {
    const { description, content, headers } = resolved(root, response);
    const of = element("dd", {}, ...words(description));
    for (const [kind, { schema, "x-events": events }] of Object.entries(content ?? {})) {
      of.append(element("p", {}, element("code", {}, kind), " ", ...typeOf(schema)));
      if (events ?? schema["x-events"]) of.append(eventsOf(events ?? schema["x-events"]));
    }
    if (headers) of.append(element("p", { class: "quiet" }, `Headers: ${Object.keys(headers).join(", ")}`));
    list.append(element("dt", {}, element("code", {}, status)), of);
  }
  return list;
}

function access(operation) {
  const ways = (operation.security ?? []).map((way) => Object.keys(way)[0] ?? "nothing, where `auth.mode` is `open`");
  return ways.length ? [element("p", { class: "quiet" }, ...words(`Needs ${ways.join(", or ")}.`))] : [];
}

function messages(socket) {
  if (!socket) return [];
  const answered = socket.answers.flatMap((one) => ["; ", ...typeOf(one)]).slice(1);
  return [
    heading("Messages"),
    eventsOf(socket.events),
    element("p", {}, "Answers: ", ...answered, ". The client sends: ", ...typeOf(socket.client)),
  ];
}

function route(root, path, method, operation) {
  return element(
    "details",
    { id: operation.operationId, class: "route" },
    element(
      "summary",
      {},
      element("span", { class: "method" }, method.toUpperCase()),
      ` ${path} `,
      element("span", { class: "quiet" }, operation.summary.replaceAll("`", "")),
    ),
    operation.description ? element("p", {}, ...words(operation.description)) : null,
    ...access(operation),
    ...parameters(root, operation),
    ...body(operation),
    heading("Answers"),
    answers(root, operation.responses),
    ...messages(operation["x-web-socket"]),
  );
}

function schema(name, described) {
  const title = element("summary", {}, name, " ", element("span", { class: "quiet" }, described.type ?? ""));
  return element(
    "details",
    { id: name },
    title,
    element("p", {}, ...words(described.description ?? "")),
    fieldsOf(described),
  );
}

function tokens(root) {
  const list = element("dl", {});
  for (const [name, { description }] of Object.entries(root.components.securitySchemes)) {
    list.append(element("dt", {}, element("code", {}, name)), element("dd", {}, ...words(description)));
  }
  return list;
}

/** Every part of the page, in its order. */
function parts(root) {
  const operations = Object.entries(root.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => [path, method, methods[method]]),
  );
  const groups = root.tags.flatMap(({ name }) => {
    const own = operations.filter(([, , operation]) => operation.tags.includes(name));
    return [element("h2", {}, name), ...own.map((one) => route(root, ...one))];
  });
  const schemas = Object.entries(root.components.schemas).map(([name, described]) => schema(name, described));
  const always = answers(root, root["x-responses-of-any-request"]);
  return [
    ...groups,
    element("h2", {}, "Answers to any request"),
    always,
    element("h2", {}, "Tokens that requests show"),
    tokens(root),
    element("h2", {}, "Schemas"),
    ...schemas,
  ];
}

/** Opens what the address names. */
function reveal() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!(named instanceof HTMLDetailsElement)) return;
  named.open = true;
  named.scrollIntoView();
}

const main = document.getElementById("routes");
try {
  const answer = await fetch("../openapi.json");
  if (!answer.ok) throw new Error(`the service answered ${answer.status}`);
  const root = await answer.json();
  document.getElementById("about").append(...words(root.info.description));
  main.replaceChildren(...parts(root));
  addEventListener("hashchange", reveal);
  reveal();
} catch (error) {
  document.getElementById("state").textContent = `The routes cannot be shown: ${error.message}`;
}
main.setAttribute("aria-busy", "false");
