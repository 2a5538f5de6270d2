/**
 * Signs of what is no word for a person: of calls, of thoughts, of results of calls, of our own blocks and rules. Models leave them in
 * their text where a server does not take them out. The tables are data; who meets another form adds a line.
 */

/** How thoughts begin and end in a text. */
const THOUGHTS: readonly [begin: RegExp, end: RegExp][] = [
  [/<think(?:ing)?>/, /<\/think(?:ing)?>/],
  [/<thoughts?>/, /<\/thoughts?>/],
  [/<reasoning>/, /<\/reasoning>/],
  [/<reflection>/, /<\/reflection>/],
  [/<scratchpad>/, /<\/scratchpad>/],
  [/<seed:think>/, /<\/seed:think>/],
  [/<seed:cot_budget_reflect>/, /<\/seed:cot_budget_reflect>/],
  [/<mm:think>/, /<\/mm:think>/],
  [/\[THINK\]/, /\[\/THINK\]/],
  [/\[BEGIN_THOUGHT\]/, /\[END_THOUGHT\]/],
  [/◁think▷/, /◁\/think▷/],
  [/<\|START_THINKING\|>/, /<\|END_THINKING\|>/],
  [/<\|begin_of_thought\|>/, /<\|end_of_thought\|>/],
  [/<\|inner_prefix\|>/, /<\|inner_suffix\|>/],
  [/<\|think(?:ing)?\|>/, /<\|\/think(?:ing)?\|>/],
  [/<\|channel>thought/, /<channel\|>/],
  [/<unused94>(?:thought)?/, /<unused95>/],
  [/<\|thought_start\|>/, /<\|thought_end\|>/],
];

const THOUGHT_MARKS = new RegExp(
  THOUGHTS.flat()
    .map(({ source }) => source)
    .join('|'),
  'gi',
);

/** Which pair a mark belongs to, and whether it closes it. */
const PAIRS = THOUGHTS.flatMap(([begin, end], pair) => [
  { mark: new RegExp(`^${begin.source}$`, 'i'), pair, closes: false },
  { mark: new RegExp(`^${end.source}$`, 'i'), pair, closes: true },
]);

/**
 * An answer without the thoughts that some servers leave in its text: what stands between a pair of marks, everything before a lone
 * closing mark (the opening one was part of the model's template), everything after one that never closes.
 */
export function stripThoughts(text: string): string {
  const spoken = stripChannels(text);
  let kept = '';
  let from = 0;
  let open: number | null = null;
  // One pass: a text of nothing but marks must not cost its square.
  for (const mark of spoken.matchAll(THOUGHT_MARKS)) {
    const { pair = -1, closes = false } = PAIRS.find((known) => known.mark.test(mark[0])) ?? {};
    if (open !== null && (!closes || pair !== open)) continue;
    if (open === null) kept = closes ? '' : kept + spoken.slice(from, mark.index);
    open = closes ? null : pair;
    from = mark.index + mark[0].length;
  }
  return (open !== null ? kept : kept + spoken.slice(from)).trim();
}

/** A message of the harmony format: its header (channel, recipient) and its text. */
const CHANNEL =
  /(?:<\|start\|>([^<]{0,80}))?<\|channel\|>([^<]{0,120})(?:<\|constrain\|>[^<]{0,40})?<\|message\|>([^]*?)(?:<\|(?:end|return)\|>|(?=<\|(?:call|start|channel)\|>)|(?![^]))/g;

/** The analysis goes, the final words stay, and calls stay as they are for who reads them. */
function stripChannels(text: string): string {
  if (!text.includes('<|message|>')) return stripBareChannels(text);
  const whole = /^\s*(?:analysis|commentary|final)\b[^<]{0,80}<\|/.test(text)
    ? `<|channel|>${text.trimStart()}`
    : text;
  return whole.replace(CHANNEL, (all, start: string | undefined, header: string, words: string) => {
    if (/\bto=/.test(`${start ?? ''} ${header}`)) return all;
    return /^\s*analysis/.test(header) ? '' : `${words}\n`;
  });
}

/** The same where the server has taken the tokens out and left their names. */
function stripBareChannels(text: string): string {
  if (!/^\s*analysis/.test(text)) return text;
  const end = text.search(/assistant(?:final|commentary)/);
  return end === -1 ? text : text.slice(end).replace(/^assistant(?:final)?/, '');
}

/** What some templates put around an answer that is one: these marks go without a word. */
const AROUND_ANSWERS =
  /<\|(?:begin_of_box|end_of_box|START_RESPONSE|END_RESPONSE|START_TEXT|END_TEXT)\|>|<\|start_header_id\|>assistant<\|end_header_id\|>|^\s*(?:<\|im_start\|>|<\|start\|>)\s*assistant\b|^\s*<start_of_turn>model\b|<\|channel\|>final<\|message\|>/g;

/** Tokens that end a turn; what a model writes behind one is a turn that it made up. */
const TURN_END =
  /<\|(?:im_end|end|return|call|eot_id|eom_id|eot|endoftext|end_of_text|END_OF_TURN_TOKEN|observation|user)\|>|<｜end▁of▁sentence｜>|<\/s>|<end_of_turn>|<eos>|<turn\|>|\[e~\[/;

/** An answer without the tokens of its template: from the first end of a turn on nothing is left. */
export function withoutTurnTokens(text: string): string {
  const own = text.replace(AROUND_ANSWERS, '');
  const end = TURN_END.exec(own);
  return (end === null ? own : own.slice(0, end.index)).trim();
}

/** `given`: data that the model was shown may hold it, and words that quote the data may then too. */
type Sign = { pattern: RegExp; given: boolean };

const SIGNS: readonly Sign[] = [
  // Special tokens of templates, whole ones and those with one bar.
  { pattern: /<[|｜][^<>\n]{1,60}[|｜]>|<[|｜]\/?[\w▁"]{1,40}>|<[\w▁"]{1,40}[|｜]>/, given: true },
  {
    pattern:
      /\[\/?(?:TOOL_CALLS|ARGS|CALL_ID|TOOL_RESULTS|TOOL_CONTENT|AVAILABLE_TOOLS|THINK|INST|SYSTEM_PROMPT|BEGIN_THOUGHT|END_THOUGHT)\]/,
    given: true,
  },
  {
    pattern:
      /<\/?(?:[\w-]{1,20}:|｜DSML｜)?(?:tool[_-]?(?:calls?|responses?|results?|use|code|outputs?)|function[_-]?(?:calls?|results?|responses?)|[\w]{1,20}_tool_call|function(?==|>|\s+name)|invoke|parameter(?=[=\s]|>)|arg_(?:key|value)|(?:start|end)_function_(?:call|response)|start_of_turn|end_of_turn|think(?:ing)?|thoughts?|reasoning|reflection|scratchpad|cot_budget_reflect|escape|unused\d+)\b[^<>\n]{0,200}>/i,
    given: true,
  },
  { pattern: /◁\/?think▷/, given: true },
  { pattern: /\bto=functions\.\w+|assistant(?:commentary|final)\b/, given: true },
  {
    pattern:
      /^[ \t]*Action[ _]Input[ \t]*:|^[ \t]*Action[ \t]*:[ \t]*(?=\w{1,64}_\w)[a-z]\w{1,128}[ \t]*$/im,
    given: true,
  },
  {
    pattern:
      /\{\s*["'](?:name|tool|tool_name|function)["']\s*:\s*["'][\w.-]{1,80}["']\s*,\s*["'](?:arguments|parameters|args|params)["']\s*:/,
    given: true,
  },
  // Results of calls, as we tell them.
  {
    pattern: /\{\s*["']status["']\s*:\s*["'](?:refused|recorded|read|found|none)["']/,
    given: false,
  },
  { pattern: /\[Reminder of the runner:/, given: false },
  {
    pattern:
      /You plan the next steps of a standing mission|Plan the next steps of this mission now\./,
    given: false,
  },
  { pattern: /\bBEGIN RESULT \S+|\bEND RESULT \S+/, given: false },
];

/** What a text may quote, and the mark of our own blocks, which nothing may. */
export type Quotable = { data: string; delimiter: string };

export const NOTHING_QUOTABLE: Quotable = { data: '', delimiter: '' };

/** The name of our blocks with any mark behind it. */
const BLOCK_LINE =
  /\b(?:BEGIN|END) (?:MISSION|CONCEPT|INPUT|RESEARCH|RESULT|PERSONA|MEMORY|WISHES|HISTORY|OPEN STEPS|DECISIONS|EARLIER [A-Z\d ]{3,40}|FEEDBACK[A-Z ]{0,30}) [\w-]{4,40}\b/;

/**
 * The first sign in a text that is neither a word for a person nor quoted from `quotable`; null for a text that is clean. Takes time
 * that grows with the text alone.
 */
export function foreignMarkup(
  text: string,
  { data, delimiter }: Quotable = NOTHING_QUOTABLE,
): string | null {
  if (delimiter !== '' && text.includes(delimiter)) return delimiter;
  const block = BLOCK_LINE.exec(text);
  if (block !== null && !data.includes(block[0])) return block[0];
  for (const { pattern, given } of SIGNS) {
    for (const found of text.matchAll(new RegExp(pattern, `g${pattern.flags}`))) {
      if (!given || !isQuoted(found[0], data)) return found[0];
    }
  }
  return null;
}

/** Whether these words stand in the data that the model was shown. */
export function isQuoted(words: string, data: string): boolean {
  const quote = shownForm(words).trim();
  return quote !== '' && data.includes(quote);
}

/**
 * Data as a quote of it may look: tokens of templates were shown with another bracket, and results of calls as JSON text. One form for
 * both, so that they can be compared.
 */
export function shownForm(text: string): string {
  return text
    .replaceAll('‹', '<')
    .replace(/\((\/?(?:INST|TOOL_CALLS|ARGS|THINK)\])/g, '[$1')
    .replaceAll('\\"', '"')
    .replaceAll('\\n', '\n');
}
