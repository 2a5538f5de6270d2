import { isRecord } from '../values/fields.ts';
import { toolMeant } from '../planner/tool-name.ts';
import { afterItem, readLiteral, skipBlanks } from './literal.ts';

/** A call as it stands in a text: nothing is checked yet. */
export type Written = { name: string; given: unknown };

/**
 * A part of a text that was written as calls. `opener`: the words by which it was recognised. `marked`: by them a call was meant, also
 * where none can be read.
 */
export type Place = {
  from: number;
  end: number;
  opener: string;
  written: readonly Written[];
  marked: boolean;
};

type Named = readonly { name: string }[];

/** What a reader makes of the text behind an opener; null where no call begins there after all. */
type Reading = { written: readonly Written[]; end: number; marked: boolean };

/** One native form: how it opens, and how what follows is read. `opens` has one group at most, which is the tool's name. */
type Form = {
  opens: RegExp;
  read: (text: string, at: number, name: string, tools: Named) => Reading | null;
};

/** Places in a text where a call may begin; a longer list is no answer of an honest model. */
const MAX_PLACES = 200;
/** Values of one frame, and parameters of one call. */
const MAX_VALUES = 100;

const NAME = /([\w.:-]{1,80})/.source;
const SPACE = /(?:[\w-]{1,20}:|｜DSML｜)?/.source;

/** `<function=name>`, `<invoke name="name">`: Qwen-Coder, Llama, MiniMax, DeepSeek, Seed, Step, Anthropic's old form. */
const NAMED_TAG: Form = {
  opens: new RegExp(
    `<${SPACE}(?:function(?:_call)?|invoke|tool_call|tool)(?:=|\\s+name\\s*=\\s*)["']?${NAME}["']?\\s*>`,
  ),
  read: (text, at, name) => {
    const { inner, end } = upTo(text, at, NAMED_TAG_END);
    const given = tagParameters(inner) ?? readObject(inner);
    return { written: given === null ? [] : [{ name, given }], end, marked: true };
  },
};
const NAMED_TAG_END = new RegExp(
  `</${SPACE}(?:function(?:_call)?|invoke|tool_call|tool)>|(?=<${SPACE}(?:function|invoke)[= ])`,
  'g',
);

/** A name, a mark, and the JSON text of the arguments. */
const NAME_THEN_JSON: readonly RegExp[] = [
  // Mistral since its eleventh template, with and without an id.
  new RegExp(
    `\\[TOOL_CALLS\\]\\s*${NAME}\\s*(?:\\[CALL_ID\\]\\s*[\\w-]{0,64}\\s*)?(?:\\[ARGS\\]|(?=\\{))`,
  ),
  // Kimi.
  new RegExp(`<\\|tool_call_begin\\|>\\s*${NAME}\\s*<\\|tool_call_argument_begin\\|>`),
  // DeepSeek, whose first templates name the type of the call before its name.
  new RegExp(
    `<[|｜]tool▁call▁begin[|｜]>\\s*(?:function\\s*<[|｜]tool▁sep[|｜]>)?\\s*${NAME}\\s*(?:<[|｜]tool▁sep[|｜]>)?`,
  ),
  // Harmony (gpt-oss), with its tokens and without.
  new RegExp(
    `(?:<\\|start\\|>)?(?:assistant)?(?:<\\|channel\\|>)?\\s*(?:commentary|analysis)?\\s*to=${NAME}\\s*(?:<\\|channel\\|>[^<{]{0,40})?(?:<\\|constrain\\|>)?\\s*(?:json)?\\s*(?:code)?\\s*(?:<\\|message\\|>)?`,
  ),
  // Functionary.
  new RegExp(`>>>${NAME}\\n`),
  new RegExp(`<\\|recipient\\|>\\s*${NAME}\\s*<\\|content\\|>`),
];

const nameThenJson = (opens: RegExp): Form => ({
  opens,
  read: (text, at, name) => {
    const start = skipFence(text, at);
    const read = readLiteral(text, start);
    const end = read === null ? skipBlanks(text, at) : afterMarks(text, read.end);
    // Prose names a recipient too (`>>>all`); without arguments there is no call.
    return {
      written: read !== null && isRecord(read.value) ? [{ name, given: read.value }] : [],
      end,
      marked: true,
    };
  },
});

/** ReAct: a line with the name, and a line with the arguments. */
const REACT: Form = {
  opens: new RegExp(
    `(?:^|(?<=\\n))[ \\t]*Action[ \\t]*:[ \\t]*${NAME}[ \\t]*\\r?\\n\\s*Action[ _]Input[ \\t]*:`,
    'i',
  ),
  read: (text, at, name) => {
    const read = readLiteral(text, skipFence(text, at));
    if (read === null || !isRecord(read.value)) return { written: [], end: at, marked: true };
    // What follows is what the model imagines as the result.
    const observation = text.indexOf('\nObservation', read.end);
    const next = text.indexOf('\nAction', read.end);
    const isLast = next === -1;
    const end = observation !== -1 && isLast ? text.length : read.end;
    return { written: [{ name, given: read.value }], end: afterMarks(text, end), marked: true };
  },
};

/** GLM: the name, then pairs of keys and values. */
const KEYS_AND_VALUES: Form = {
  opens: new RegExp(`<tool_call>\\s*${NAME}\\s*(?=<arg_key>|</tool_call>)`),
  read: (text, at, name) => {
    const { inner, end } = upTo(text, at, /<\/tool_call>/g);
    const pairs = [
      ...inner.matchAll(
        /<arg_key>([^<]{0,100})<\/arg_key>\s*<arg_value>([^]*?)(?:<\/arg_value>|(?![^]))/g,
      ),
    ];
    const given = Object.fromEntries(
      pairs.slice(0, MAX_VALUES).map(([, key = '', value = '']) => [key.trim(), valueOf(value)]),
    );
    return { written: [{ name, given }], end, marked: true };
  },
};

/** Gemma's function calls: `call:name{key:<escape>text<escape>}`. */
const GEMMA: Form = {
  opens: new RegExp(`(?:<start_function_call>|<\\|tool_call>)\\s*(?:call:)?${NAME}\\{`),
  read: (text, at, name) => {
    const { inner, end } = upTo(text, at, /<end_function_call>|<tool_call\|>/g);
    const pairs = [
      ...inner.matchAll(
        /([\w.]{1,80})\s*:\s*(?:(?:<escape>|<\|"\|>)([^]*?)(?:<escape>|<\|"\|>)|([^,{}<]{1,400}))/g,
      ),
    ];
    const given = Object.fromEntries(
      pairs
        .slice(0, MAX_VALUES)
        .map(([, key = '', quoted, bare]) => [key, quoted ?? valueOf(bare ?? '')]),
    );
    return { written: [{ name, given }], end, marked: true };
  },
};

/** Tags and tokens around JSON, lists of calls, or calls of another form. */
const FRAMES = [
  [
    '<(?:tool_calls?|toolcalls?|TOOLCALL|TOOL_CALLS|tool_use|function_calls?|[\\w]{1,20}_tool_call|[\\w-]{1,20}:(?:tool_calls?|function_calls?)|｜DSML｜function_calls)>',
    '</[^<>]{1,40}>',
  ],
  ['<\\|tool_call_start\\|>', '<\\|tool_call_end\\|>'],
  ['<\\|tool_calls_section_begin\\|>', '<\\|tool_calls_section_end\\|>'],
  ['<[|｜]tool▁calls▁begin[|｜]>', '<[|｜]tool▁calls▁end[|｜]>'],
  ['<\\|START_ACTION\\|>', '<\\|END_ACTION\\|>'],
  ['<\\|action_start\\|>\\s*(?:<\\|plugin\\|>|<\\|interpreter\\|>)?', '<\\|action_end\\|>'],
  ['<\\|tools_prefix\\|>', '<\\|tools_suffix\\|>'],
  ['<\\|tool_call\\|>', '<\\|/tool_call\\|>'],
  ['<\\|tool_call>', '<tool_call\\|>'],
  ['<start_function_call>', '<end_function_call>'],
  ['<\\|python_tag\\|>', '<\\|eom_id\\|>|<\\|eot_id\\|>'],
  ['```[\\w-]*\\n', '\\n?```'],
] as const;

/** A frame that tells nothing by itself: a block of code may hold anything. */
const FENCE_OPENER = /^```/;

const frame = ([opens, closes]: readonly [string, string]): Form => ({
  opens: new RegExp(opens),
  read: (text, at, _name, tools) => {
    const { inner, end } = upTo(text, at, new RegExp(closes, 'g'));
    const written = readAll(inner, tools);
    if (written.length > 0) return { written, end, marked: true };
    // Calls of another form may stand in it: the frame itself is passed over, and what it holds is read.
    return INNER.test(inner)
      ? { written: [], end: at, marked: false }
      : { written: [], end, marked: true };
  },
});

/** JSON or a list of calls that begins a line, or stands behind an old mark of Mistral or Phi. */
const BARE: Form = {
  opens: /(?:\[TOOL_CALLS\]|functools|(?:^|(?<=\n)))[ \t]*(?=[[{])/,
  read: (text, at, _name, tools) => {
    const written: Written[] = [];
    let end = at;
    for (let next: number | null = at; next !== null && written.length < MAX_VALUES;) {
      const read = readOne(text, next, tools);
      if (read === null || read.written.length === 0) break;
      written.push(...read.written);
      end = read.end;
      next =
        text[skipBlanks(text, end)] === ';' ? skipBlanks(text, skipBlanks(text, end) + 1) : null;
    }
    return written.length === 0 ? null : { written, end: afterMarks(text, end), marked: true };
  },
};

const FORMS: readonly Form[] = [
  NAMED_TAG,
  ...NAME_THEN_JSON.map(nameThenJson),
  REACT,
  KEYS_AND_VALUES,
  GEMMA,
  ...FRAMES.map(frame),
  BARE,
];

/** What a frame may hold: calls that have openers of their own. */
const INNER = new RegExp(
  [NAMED_TAG, ...NAME_THEN_JSON.map(nameThenJson), GEMMA]
    .map(({ opens }) => opens.source)
    .join('|'),
);

/** Marks that belong to calls and mean nothing without them. */
export const CALL_MARKS = new RegExp(
  [
    ...FRAMES.filter(([opens]) => !FENCE_OPENER.test(opens))
      .flatMap((pair) => [...pair])
      .map((source) =>
        source === '</[^<>]{1,40}>'
          ? '</(?:[\\w-]{1,20}:|｜DSML｜)?(?:tool_calls?|toolcalls?|TOOLCALL|tool_use|function_calls?|[\\w]{1,20}_tool_call)>'
          : source,
      ),
    '<\\|(?:call|end|tool_call_end|tool_call_begin|tool_call_argument_begin|eom_id|constrain)\\|>',
    '<[|｜]tool▁(?:call▁end|sep)[|｜]>',
    '\\[TOOL_CALLS\\]',
  ].join('|'),
  'gi',
);

const OPENERS = new RegExp(
  FORMS.map(
    ({ opens }, index) => `(?<f${index}>${opens.source.replace(NAME, `(?:${NAME.slice(1, -1)})`)})`,
  ).join('|'),
  'g',
);

/** The places of a text where calls were written, in their order, none within another. */
export function* placesOf(text: string, tools: Named): Generator<Place> {
  let looked = 0;
  let free = 0;
  for (const match of text.matchAll(OPENERS)) {
    looked += 1;
    if (looked > MAX_PLACES) return;
    if (match.index < free) continue;
    const place = placeAt(text, match, tools);
    if (place === null) continue;
    free = place.end;
    yield place;
  }
}

function placeAt(text: string, match: RegExpExecArray, tools: Named): Place | null {
  const index = FORMS.findIndex((_form, number) => match.groups?.[`f${number}`] !== undefined);
  const form = FORMS[index];
  if (form === undefined) return null;
  const [opener] = match;
  const name = form.opens.exec(opener)?.[1] ?? nameIn(form, text, match) ?? '';
  const reading = form.read(text, match.index + opener.length, name, tools);
  if (reading === null) return null;
  const isFence = FENCE_OPENER.test(opener);
  if (isFence && reading.written.length === 0) return null;
  return { from: match.index, opener, ...reading };
}

/** Openers that look at what follows them are matched again where they stand. */
function nameIn({ opens }: Form, text: string, match: RegExpExecArray): string | undefined {
  const sticky = new RegExp(opens.source, `y${opens.flags}`);
  sticky.lastIndex = match.index;
  return sticky.exec(text)?.[1];
}

/** The text up to the first match of `ends`, or all of it, and where what follows begins. */
function upTo(text: string, at: number, ends: RegExp): { inner: string; end: number } {
  ends.lastIndex = at;
  const found = ends.exec(text);
  return found === null
    ? { inner: text.slice(at), end: text.length }
    : { inner: text.slice(at, found.index), end: found.index + found[0].length };
}

/** Behind an opening fence of code, where one stands there. */
function skipFence(text: string, at: number): number {
  const start = skipBlanks(text, at);
  const fence = /^```[\w-]*\s*/.exec(text.slice(start, start + 40))?.[0];
  return fence === undefined ? start : start + fence.length;
}

/** Behind the marks that may close a call. */
function afterMarks(text: string, at: number): number {
  const closing =
    /^\s*(?:```|<\|(?:call|end|tool_call_end|\/tool_call)\|>|<[|｜]tool▁call▁end[|｜]>)+/.exec(
      text.slice(at, at + 80),
    )?.[0];
  return closing === undefined ? at : at + closing.length;
}

const PARAMETER = new RegExp(
  `<${SPACE}(?:parameter|param|argument|arg)(?:=|\\s+name\\s*=\\s*)["']?([\\w.-]{1,80})["']?[^<>]{0,60}>([^]*?)(?:</${SPACE}(?:parameter|param|argument|arg)>|(?=<${SPACE}(?:parameter|param|argument|arg)[= ])|(?![^]))`,
  'g',
);

/** The parameters of tags; null for a text that has none. */
function tagParameters(inner: string): Record<string, unknown> | null {
  const found = [...inner.matchAll(PARAMETER)].slice(0, MAX_VALUES);
  if (found.length === 0) return inner.trim() === '' ? {} : null;
  return Object.fromEntries(found.map(([, key = '', value = '']) => [key, valueOf(value)]));
}

/** The value of a text: one line break around it belongs to the form. JSON of an object or a list is what it says. */
function valueOf(text: string): unknown {
  const plain = text.replace(/^\r?\n/, '').replace(/\r?\n[ \t]*$/, '');
  const trimmed = plain.trim();
  if (/^[[{]/.test(trimmed)) {
    const read = readLiteral(trimmed, 0);
    if (read !== null && read.end === trimmed.length) return read.value;
  }
  return /^"[^]*"$/.test(trimmed) ? (readLiteral(trimmed, 0)?.value ?? plain) : plain;
}

function readObject(text: string): Record<string, unknown> | null {
  const value = readLiteral(text, 0)?.value;
  return isRecord(value) ? value : null;
}

/** All values of a text that holds nothing but calls, one after the other. */
function readAll(text: string, tools: Named): Written[] {
  const all: Written[] = [];
  let at = skipBlanks(text, 0);
  while (at < text.length && all.length < MAX_VALUES) {
    const read = readOne(text, at, tools) ?? readPlainCall(text, at);
    if (read === null) return all;
    all.push(...read.written);
    at = skipBlanks(text, read.end);
    if (text[at] === ',' || text[at] === ';') at = skipBlanks(text, at + 1);
  }
  return all;
}

function readOne(
  text: string,
  at: number,
  tools: Named,
): { written: Written[]; end: number } | null {
  const python = readCallList(text, at);
  if (python !== null) return python;
  const literal = readLiteral(text, at);
  return literal === null ? null : { written: writtenIn(literal.value, tools), end: literal.end };
}

/** The calls that a JSON value describes, in the shapes that models use. */
function writtenIn(value: unknown, tools: Named): Written[] {
  if (Array.isArray(value)) return value.flatMap((item) => writtenIn(item, tools));
  if (!isRecord(value)) return [];
  if (Array.isArray(value['tool_calls'])) return writtenIn(value['tool_calls'], tools);
  const inner = isRecord(value['function']) ? value['function'] : value;
  const name =
    inner['name'] ?? inner['tool_name'] ?? inner['tool'] ?? inner['function'] ?? inner['action'];
  const given =
    inner['arguments'] ??
    inner['parameters'] ??
    inner['args'] ??
    inner['params'] ??
    inner['action_input'] ??
    inner['input'];
  if (typeof name === 'string')
    return isRecord(given) || typeof given === 'string' ? [{ name, given }] : [];
  // Apertus: the name itself is the key.
  const entries = Object.entries(value);
  const [[key, params] = ['', null]] = entries;
  return entries.length === 1 && isRecord(params) && toolMeant(key, tools) !== undefined
    ? [{ name: key, given: params }]
    : [];
}

/** `[name(arg=1), other()]` as Llama and others write it. */
function readCallList(text: string, at: number): { written: Written[]; end: number } | null {
  if (text[at] !== '[') return null;
  const written: Written[] = [];
  let next = skipBlanks(text, at + 1);
  while (text[next] !== ']') {
    const call = readCall(text, next);
    const after = call === null ? null : afterItem(text, call.end, ']');
    if (call === null || after === null) return null;
    written.push(call.written);
    next = after;
  }
  return written.length === 0 ? null : { written, end: next + 1 };
}

/** `name(arg=1)` without a list around it, as Gemma and OLMo write it, also printed; only within a frame, where it is no prose. */
function readPlainCall(text: string, at: number): { written: Written[]; end: number } | null {
  const printed = /^print\(/.exec(text.slice(at, at + 6))?.[0] ?? '';
  const call = readCall(text, at + printed.length);
  if (call === null) return null;
  const end = printed !== '' && text[call.end] === ')' ? call.end + 1 : call.end;
  return { written: [call.written], end };
}

function readCall(text: string, at: number): { written: Written; end: number } | null {
  const name = /^[a-z_][\w.]{0,79}(?=\()/i.exec(text.slice(at, at + 82))?.[0];
  if (name === undefined) return null;
  const given: [string, unknown][] = [];
  let next = skipBlanks(text, at + name.length + 1);
  while (text[next] !== ')') {
    const key = /^([a-z_]\w{0,63})\s*=/i.exec(text.slice(next, next + 70));
    const value = key === null ? null : readLiteral(text, next + key[0].length);
    const after = value === null ? null : afterItem(text, value.end, ')');
    if (key?.[1] === undefined || value === null || after === null) return null;
    given.push([key[1], value.value]);
    next = after;
  }
  return { written: { name, given: Object.fromEntries(given) }, end: next + 1 };
}
