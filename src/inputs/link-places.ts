/**
 * Where a link begins in a text, without its host or path: schemes, and the places of markdown, HTML and CSS in which any
 * scheme is followed. Every pattern is linear in the text: what repeats is bounded, or is followed by what it cannot hold.
 */

/** Schemes that systems and apps open from a plain text, with or without slashes behind the colon. */
const OPENED = [
  'https?|ftps?|sftp|wss?|file|javascript|vbscript|blob|about|filesystem|view-source|intent|android-app|resource|jar|mhtml',
  'mailto|xmpp|imap|pop|smsto|sms|mmsto|mms|rcs|tel|callto|fax|facetime(?:-audio)?|sips?|h323|iax|im|jabber|matrix|ircs?',
  'tg|telegram|whatsapp|skype|viber|sgnl|threema|weixin|wechat|line|kakaotalk|fb(?:-messenger)?|instagram|snapchat|discord',
  'slack|msteams|zoommtg|zoomus|webex|gtalk|googlechat|webcals?|feed|podcast|itpc|pcast|geo|maps|comgooglemaps|waze|market',
  'itms(?:-[a-z]{2,12})?|macappstores?|appstore|ms-[a-z-]{2,40}|search-ms|shell|hcp|x-[a-z.-]{2,40}|shortcuts|workflow',
  'googlechrome|microsoft-edge|firefox|vscode(?:-insiders)?|obsidian|evernote|drafts\\d?|spotify|steam|magnet|ed2k|torrent',
  'ldaps?|ssh|telnet|rdp|vnc|smb|afp|nfs|rtsp|rtmp|mmsh?|gopher|nntp|news(?=:[^\\s:]{1,256}[@/])|git|svn|dav|ipfs|ipns',
  'bitcoin|litecoin|ethereum|lightning|monero|upi|paypal|venmo|cashapp|swish|otpauth|payto|wtai|cid|mid|tip|did|acct',
].join('|');

/** `data:` as RFC 2397 has it: a comma, a type or a parameter follows soon; a longer word without any counts as well. */
const DATA = 'data(?=:(?:[^\\s,;/]{0,255}[,;/]|[^\\s,;/]{256}))';

const WITH_SLASHES = '[a-z][a-z\\d+.-]{1,30}:[\\\\/]{1,64}(?=[^\\s\\\\/])';
const BY_NAME = `(?<![\\p{L}\\p{N}])(?:${OPENED}|${DATA}):(?=[^\\s:])`;
/** An address of a page or a body of a message: what stands behind any scheme and holds a query or an escape. */
const WITH_QUERY =
  '(?<![\\p{L}\\p{N}+.-])[a-z][a-z\\d+.-]{1,30}:(?=[^\\s:?%]{0,256}(?:\\?[^\\s=]{1,64}=|%[\\da-f]{2}))';
const SLASHES =
  '(?<![\\p{L}\\p{N}:\\\\/])[\\\\/]{2}(?=[^\\s\\\\/.]{1,256}[.。]|\\[|[\\p{L}\\p{N}_-]{1,256}(?::\\d|[\\\\/?#]))';
const WWW = '(?<![\\p{L}\\p{N}.-])www\\d{0,3}\\.(?=[^\\s.])';

/** The begin of a link: a scheme, or slashes alone before a host. Sticky or global use wants `lastIndex` set by the caller. */
export function linkStart(): RegExp {
  return new RegExp([WITH_SLASHES, BY_NAME, WITH_QUERY, SLASHES, WWW].join('|'), 'giu');
}

const BLANKS = '[ \\t\\r\\n]{0,16}';
const BEFORE_TARGET = [
  // markdown: a target, a definition, an autolink; wikis
  `\\]\\(${BLANKS}<?`,
  `\\]:${BLANKS}<?`,
  '<',
  '\\[\\[',
  // HTML and CSS: a quoted attribute, one without quotes, url(…)
  `[a-z]${BLANKS}=${BLANKS}["'\`]${BLANKS}`,
  `(?<![a-z])(?:href|src|srcset|srcdoc|action|formaction|data|poster|cite|background|ping|content|manifest|longdesc|code|codebase|archive|classid|profile|usemap|dynsrc|lowsrc)${BLANKS}=${BLANKS}`,
  `url\\(${BLANKS}["']?${BLANKS}`,
];

/** Any scheme in the place of a target, also one that is split by a line break or a tab, which browsers leave out. */
export function linkTarget(): RegExp {
  return new RegExp(
    `(?:${BEFORE_TARGET.join('|')})([a-z][a-z\\d+.\\t\\r\\n-]{0,60}:|[\\\\/]{2})(?=[^\\s:])`,
    'giu',
  );
}

/** The letters of a word with breaks between them. */
function split(word: string): string {
  return word.split('').join('[\\t\\r\\n]{0,8}');
}

/** One of the two schemes of which browsers are known to leave out breaks in plain text as well. */
export function splitScheme(): RegExp {
  return new RegExp(
    `(?:${split('http')}(?:[\\t\\r\\n]{0,8}s)?|${split('javascript')})[\\t\\r\\n]{0,8}:(?:[\\t\\r\\n]{0,8}[\\\\/]){0,2}\\S`,
    'gi',
  );
}

/** Properties whose whole value is a target. */
const TARGET_NAME =
  /(?:^|[a-z_-])(?:url|uri|href|src|link|target|website|homepage|action|image|picture|photo|cover|avatar|poster|thumbnail|icon|logo)s?$/i;

export function isTargetName(name: string): boolean {
  return name.length <= 100 && TARGET_NAME.test(name);
}

/** What an app shows or runs by itself: pictures, frames, players, embedded notes, styles. */
const EMBED =
  /!\[|!?\[\[|<\s{0,8}\/?(?:img|image|svg|picture|source|track|video|audio|iframe|frame|embed|object|applet|portal|link|script|style|base|meta|input|button|form|body|table|td|th|use|animate|set)\b|\burl\(|@import|(?:src|srcset|poster|background)\s{0,8}=/i;

export function holdsEmbed(text: string): boolean {
  return EMBED.test(text);
}

const PICTURE_NAME =
  /(?:image|picture|photo|cover|avatar|poster|thumbnail|thumb|icon|logo|banner|background|embed|media)(?:_?-?(?:url|uri|src|link|href))?s?$/i;

export function isPictureName(name: string): boolean {
  return name.length <= 100 && PICTURE_NAME.test(name);
}
