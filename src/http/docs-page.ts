import type { OpenApiDocument, Operation } from './openapi.ts';

type Schema = Readonly<Record<string, unknown>>;

/** All that the page needs is in it: no script, no font, no image, nothing of another host. */
const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; text-transform: capitalize; }
details { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .5rem; margin: .5rem 0; padding: .5rem .8rem; }
summary { cursor: pointer; } summary code { font-weight: 600; } summary span { opacity: .8; }
.method { display: inline-block; min-width: 4.2rem; }
pre, code { font-family: ui-monospace, monospace; font-size: .875rem; }
pre { overflow-x: auto; background: color-mix(in srgb, currentColor 7%, transparent); padding: .6rem; border-radius: .3rem; }
td, th { text-align: left; vertical-align: top; padding: .15rem .8rem .15rem 0; }
`;

const GROUPS = {
  people: 'with a user token',
  operators: 'with X-Service-Key',
  anybody: 'open to all',
} as const;

/** The document as a page for people. */
export function docsPage(document: OpenApiDocument): string {
  const { info, paths, components } = document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
    })),
  );
  const groups = Object.entries(GROUPS).map(([tag, who]) => {
    const shown = operations
      .filter(({ operation }) => operation.tags[0] === tag)
      .map(operationHtml);
    return shown.length === 0 ? '' : `<h2>For ${tag} <small>(${who})</small></h2>${shown.join('')}`;
  });
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details id="${escape(name)}"><summary><code>${escape(name)}</code></summary>${typeHtml(schema)}</details>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(info.title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${STYLE}</style></head><body>
<h1>${escape(info.title)} <small>${escape(info.version)}</small></h1><p>${escape(info.description)}</p>
<p>For programs: <a href="openapi.json">openapi.json</a></p>${groups.join('')}<h2>Types</h2>${schemas.join('')}</body></html>`;
}

function operationHtml({
  method,
  path,
  operation,
}: {
  method: string;
  path: string;
  operation: Operation;
}): string {
  const { parameters = [], requestBody, responses } = operation;
  const rows = parameters.map(
    ({ name, in: place, required, description = '', schema }) =>
      `<tr><td><code>${escape(name)}</code></td><td>${place}${required ? ', required' : ''}</td><td><code>${escape(typeText(schema))}</code> ${escape(description)}</td></tr>`,
  );
  const bodies = Object.values(requestBody?.content ?? {}).map(
    ({ schema }) => `<h4>Body</h4>${typeHtml(schema)}`,
  );
  const answers = Object.entries(responses).map(([status, { description, content = {} }]) => {
    const shapes = Object.entries(content).map(([type, { schema }]) =>
      Number(status) >= 400
        ? ''
        : `${type === 'application/json' ? '' : `<code>${escape(type)}</code>`}${typeHtml(schema)}`,
    );
    return `<h4>${status} <small>${escape(description)}</small></h4>${shapes.join('')}`;
  });
  return `<details><summary><code class="method">${method}</code> <code>${escape(path)}</code> <span>${escape(operation.summary)}</span></summary>
${rows.length === 0 ? '' : `<table>${rows.join('')}</table>`}${bodies.join('')}${answers.join('')}</details>`;
}

function typeHtml(schema: Schema): string {
  return `<pre>${escape(typeText(schema))}</pre>`;
}

/** A schema in the words of TypeScript, with descriptions behind its fields. */
function typeText(schema: Schema, indent = ''): string {
  const { $ref, const: constant, enum: choices, type, properties, items } = schema;
  const union = schema['anyOf'] ?? schema['oneOf'];
  if (typeof $ref === 'string') return $ref.split('/').at(-1) ?? '';
  if (constant !== undefined) return JSON.stringify(constant);
  if (Array.isArray(choices)) return choices.map((choice) => JSON.stringify(choice)).join(' | ');
  if (Array.isArray(union)) return union.map((one: Schema) => typeText(one, indent)).join(' | ');
  if (type === 'array') return `${typeText((items ?? {}) as Schema, indent)}[]`;
  if (type !== 'object') return typeof type === 'string' ? type : 'any';
  if (properties === undefined) return 'object';
  const required = (schema['required'] ?? []) as string[];
  const fields = Object.entries(properties as Record<string, Schema>).map(([name, field]) => {
    const comment = typeof field['description'] === 'string' ? `  // ${field['description']}` : '';
    return `${indent}  ${name}${required.includes(name) ? '' : '?'}: ${typeText(field, `${indent}  `)}${comment}`;
  });
  return `{\n${fields.join('\n')}\n${indent}}`;
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
