// Shows /openapi.json and tries its operations. No library, no foreign host; text only ever enters the page as text.
const element = (name, attributes = {}, ...children) => {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
};

const resolved = (schema, spec) => (schema?.$ref ? spec.components.schemas[schema.$ref.split("/").pop()] : schema);

const words = (schema) => {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map(words).join(" | ");
  if (schema.type === "array") return `list of ${words(schema.items) || "anything"}`;
  const bounds = ["minimum", "maximum", "minLength", "maxLength", "pattern"].filter((name) => name in schema && !(Math.abs(schema[name]) > Number.MAX_SAFE_INTEGER)); // the bounds of int64 say nothing
  return [schema.type ?? "anything", ...bounds.map((name) => `${name} ${schema[name]}`)].join(", ");
};

const table = (schema, spec) => {
  const found = resolved(schema, spec);
  if (!found?.properties) return element("p", {}, words(found));
  const rows = Object.entries(found.properties).map(([name, inner]) => {
    const required = found.required?.includes(name) ? "required" : `default ${JSON.stringify(inner.default ?? null)}`;
    return element("tr", {}, element("td", {}, element("code", {}, name)), element("td", {}, words(inner)), element("td", {}, required));
  });
  return element("table", {}, ...rows);
};

const bodies = (title, content, spec) =>
  Object.entries(content ?? {}).flatMap(([media, { schema }]) => [
    element("h4", {}, title, " ", element("code", {}, media)),
    schema ? table(schema, spec) : "",
  ]);

const ask = async (path, method, inputs, body, output) => {
  let url = path;
  const query = new URLSearchParams();
  const headers = {};
  for (const { parameter, input } of inputs) {
    if (!input.value) continue;
    if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (parameter.in === "query") query.set(parameter.name, input.value);
    else headers[parameter.name] = input.value;
  }
  const key = document.getElementById("key").value;
  if (key) headers["X-API-Key"] = key;
  if (body?.value) headers["Content-Type"] = "application/json";
  const answer = await fetch(query.size ? `${url}?${query}` : url, { method: method.toUpperCase(), headers, body: body?.value || undefined });
  const text = await answer.text();
  output.textContent = `${answer.status}\n${text.length > 20000 ? `${text.slice(0, 20000)}…` : text}`;
};

const trial = (path, method, operation) => {
  const inputs = (operation.parameters ?? []).map((parameter) => ({ parameter, input: element("input", { placeholder: words(parameter.schema) }) }));
  const body = operation.requestBody ? element("textarea", { placeholder: "JSON body", spellcheck: false }) : null;
  const output = element("pre");
  const send = element("button", { type: "button" }, "Send");
  send.addEventListener("click", () => ask(path, method, inputs, body, output).catch((error) => (output.textContent = String(error))));
  const fields = inputs.map(({ parameter, input }) => element("label", { className: "field" }, element("code", {}, parameter.name), input));
  return [...fields, ...(body ? [body] : []), send, output];
};

const shown = (path, method, operation, spec) =>
  element(
    "details",
    { id: operation.operationId },
    element(
      "summary",
      {},
      element("span", { className: "scope" }, operation["x-scope"]),
      element("span", { className: "method" }, method.toUpperCase()),
      element("span", { className: "path" }, path),
      element("span", { className: "about" }, operation.summary),
    ),
    ...bodies("Body", operation.requestBody?.content, spec),
    ...Object.entries(operation.responses).flatMap(([status, { content }]) => bodies(`Answer ${status}`, content, spec)),
    element("h4", {}, "Try"),
    ...trial(path, method, operation),
  );

const spec = await (await fetch("/openapi.json")).json();
const operations = Object.entries(spec.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));
document.getElementById("operations").replaceChildren(
  ...spec.tags.flatMap(({ name, description }) => [
    element("h2", {}, description),
    ...operations.filter(({ operation }) => operation.tags[0] === name).map(({ path, method, operation }) => shown(path, method, operation, spec)),
  ]),
);
const wanted = document.getElementById(location.hash.slice(1)); // /docs#operationId opens that operation
if (wanted instanceof HTMLDetailsElement) {
  wanted.open = true;
  wanted.scrollIntoView();
}
