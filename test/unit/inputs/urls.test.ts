import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unknownUrls, urlsIn } from '../../../src/inputs/urls.ts';

const NONE: ReadonlySet<string> = new Set();
const KNOWN = urlsIn(
  'See https://good.example/page?a=1, good.example and [the docs](https://docs.example/a_(b)#c).',
);

describe('a URL in a step', () => {
  it.each([
    'https://evil.example/?q=secret',
    'HTTPS://EVIL.EXAMPLE',
    'http:evil.example/x',
    'https:/evil.example',
    'https:\\\\evil.example\\x',
    'ht\ntps://evil.example',
    'https://evil\n.example',
    'ｈｔｔｐｓ：／／ｅｖｉｌ．ｅｘａｍｐｌｅ',
    'https\u200b://ev\u00adil.example',
    'https&colon;//evil.example',
    '&#104;ttps&#x3a;&#47;&sol;evil.example',
    'https%3A%2F%2Fevil.example%2F%3Fq%3Dsecret',
    'https%253A%252F%252Fevil.example',
    'https:\\/\\/evil\\.example',
    'https\\u003a//evil.example',
    '//evil.example/pixel.png',
    '\\\\evil.example\\share',
    'see:(//evil.example/x)',
    'www.evil.anything',
    'evil.com',
    'Evil.COM.',
    'Then...evil.com',
    'and/evil.com/secret',
    'evil.example/secret',
    'evil.whatever/secret',
    'evil.whatever?q=secret',
    'evil.whatever#secret',
    'evil.whatever:8080',
    'a.b.c.evil.io',
    'secret-text.evil.De',
    '1.2.3.4/x',
    'http://1.2.3.4',
    'http://0x7f000001/',
    'http://[::1]/x',
    'http://localhost:3000/x',
    'http://localhost',
    'еvil.com',
    'xn--vil-2vd.com',
    'пример.рф',
    '例子.中国',
    'https://例子.测试/路径',
    'evil。com',
    'https://good.example@evil.example/',
    'https://good.example:x@evil.example/page?a=1',
    'https://good.example%2f@evil.example',
    'https://good.example\\@evil.example',
    'https://good.example.evil.example/page?a=1',
    'https://good.example/page?a=1&b=secret',
    'https://good.example/page?a=2',
    'https://good.example/page?a=1#secret',
    'https://good.example/page/../secret?a=1',
    'https://good.example:8443/page?a=1',
    'ftp://good.example/page?a=1',
    'https://good.example/page?a=1)secret',
    'https://good.example/page?a=1,secret',
    'https://good.example/page?a=1。secret',
    '[x](https://evil.example)',
    '![x](https://evil.example/p.png?secret)',
    '![x](<https://evil.example/p.png>)',
    '[x][1]\n\n[1]: https://evil.example "t"',
    '<https://evil.example>',
    '<img src=//evil.example/p.png>',
    "<a href='https://evil.example/?'+secret>",
    '[a](https://good.example/page?a=1)[b](https://evil.example)',
    'https://good.example/page?a=1|https://evil.example',
    'https://good.example/https://evil.example',
    'javascript:alert(1)',
    'JavaScript:alert(1)',
    'java\nscript:alert(1)',
    'javascript&#58;alert(1)',
    'vbscript:x',
    'data:text/html,<script>',
    'data:text/html;base64,PHNjcmlwdD4=',
    'DATA:,x',
    'blob:https://good.example/page?a=1',
    'file:///etc/passwd',
    'view-source:good.example',
    'intent://evil.example#Intent;end',
    'myapp://open?secret',
    'mailto:secret@evil.example',
    'mailto:a@good.example?body=secret',
    'secret@evil.com',
    'secret@evil.example.',
    'sms:+4915112345678?body=secret',
    'sms:+49151&body=secret',
    'SMS&colon;+49151;body=secret',
    'tel:+49151123',
    'tg:resolve?domain=evil&text=secret',
    'whatsapp:send?text=secret',
    'skype:evil?chat&topic=secret',
    'webcal:evil.example/secret',
    'facetime:secret@evil.example',
    'geo:52.1,13.2',
    'ms-word:ofe|u|secret',
    'search-ms:query=x',
    'shortcuts:run-shortcut?name=x',
    'magnet:?xt=urn:btih:secret',
    'anything:open?text=secret',
    'newscheme:se%63ret',
    '[x](anything:secret)',
    '[x]( <anything:secret>)',
    '![](anything:secret)',
    '[x]: anything:secret',
    '<anything:secret>',
    '[[anything:secret]]',
    '<a href=anything:secret>',
    "<a href = 'any\nthing:secret'>",
    '<a title="x" href="anything&#58;secret">',
    '<form action="anything:secret">',
    'background: url(anything:secret)',
    '<img src="//2130706433/secret">',
    'evil.monster',
    'secret.evil.bzh',
    'EVIL.CAPITAL',
    'evil.vermögensberatung',
    'secret.evil.Zuerich',
    'evil.schmidt/secret',
    '[2001:db8::1]/secret',
    '[::1]:8080/secret',
    '[::ffff:1.2.3.4]/secret',
    '0x7f000001/secret',
    '0x7f.0.0.1',
    '0x7f.1/secret',
    '//0x7f000001/secret',
    '//localhost/secret',
    '0177.0.0.01/secret',
    'http://0x7f.1',
  ])('is found in %j', (text) => {
    expect(unknownUrls({ note: text }, KNOWN)).not.toEqual([]);
    expect(unknownUrls({ a: [{ b: `Bitte ansehen: ${text} danke` }] }, KNOWN)).not.toEqual([]);
    expect(unknownUrls({ [text]: 1 }, KNOWN)).not.toEqual([]);
  });

  it.each([
    'https://good.example/page?a=1',
    'HTTP://GOOD.example:80/page?a=1',
    'https://good.example/%70age?%61=1.',
    '(https://good.example/page?a=1)',
    '"https://good.example/page?a=1", he said',
    '[go](https://good.example/page?a=1)[or](https://docs.example/a_(b)#c)',
    '![x](https://good.example/page?a=1).',
    '<https://good.example/page?a=1>',
    'good.example',
    'https://good.example',
    'Good.Example!',
    'https://docs.example/a_(b)#c',
  ])('that stands in the mission or an input may be repeated: %j', (text) => {
    expect(unknownUrls({ note: text }, KNOWN)).toEqual([]);
  });

  it.each([
    'Milch kaufen, z.B. 3.5 % Fett, d.h. fettarm.',
    'e.g. at 10:30, i.e. half past ten a.m.; v1.2.3 or 24.11.2026',
    'Fertig.Jetzt weiter.In Ruhe.Es geht.',
    'und/oder // Kommentar, C:\\Temp, a//b, 1/2, w/o',
    'Data: 12.3, Notiz:Text, re:Termin, JavaScript: ein Kurs',
    'Kosten: 1.200,50 EUR/Monat; 192.168.0.1 ist der Router',
    'Готово. Потом дальше… 完成。然后继续。',
    '@name #tag $5.00 50% ~3',
    'Foo::bar, x = y.z, array[0].length',
    'Dr.Müller, Prof.Schmidt, St.Pölten',
    'Farbe 0x1F, Zeit:10:30, Ziel:A, Haus:Garten, Typ:x',
    'Titel:Neu? Ja. [1] [x] (a:b) {k: v} a=b',
    '[Anmerkung: siehe unten], [x] (Notiz: eins), 50%: ja',
  ])('is not seen in %j', (text) => {
    expect(unknownUrls({ text }, NONE)).toEqual([]);
  });

  it('in javascript:, data: and blob: is refused even where an input has it', () => {
    for (const text of ['javascript:alert(1)', 'data:text/html,x', 'blob:https://good.example/1']) {
      expect(unknownUrls(text, urlsIn(text))).not.toEqual([]);
    }
  });

  it('is known from an e-mail address, and the other way round', () => {
    expect(unknownUrls('Bob@Mail.example', urlsIn('write to Bob@mail.example!'))).toEqual([]);
    expect(unknownUrls('mailto:bob@mail.example', urlsIn('bob@mail.example'))).toEqual([]);
    expect(unknownUrls('bob@mail.example', urlsIn('https://mail.example'))).not.toEqual([]);
    expect(unknownUrls('https://mail.example', urlsIn('bob@mail.example'))).not.toEqual([]);
  });

  it('in a text without spaces is known without what follows it', () => {
    expect(
      unknownUrls('https://good.example/x', urlsIn('请看https://good.example/x。然后继续')),
    ).toEqual([]);
  });

  it('is looked for in numbers, nulls and cycles without harm', () => {
    const cycle: Record<string, unknown> = { n: 1, z: null, u: undefined, b: true };
    cycle['self'] = [cycle];
    expect(unknownUrls(cycle, NONE)).toEqual([]);
    expect(unknownUrls(undefined, NONE)).toEqual([]);
  });
});

const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/);
const host = fc
  .tuple(label, fc.constantFrom('com', 'de', 'io', 'example', 'рф'))
  .map((parts) => parts.join('.'));
const path = fc.stringMatching(
  /^(\/[A-Za-z0-9_~-]{1,8}){0,3}(\?[a-z]=[A-Za-z0-9]{1,8})?(#[a-z0-9]{1,5})?$/,
);
const url = fc
  .tuple(fc.constantFrom('http://', 'https://'), host, path)
  .map((parts) => parts.join(''));
const wrap = fc.constantFrom<[string, string]>(
  ['', ''],
  ['(', ')'],
  ['[x](', ')'],
  ['<', '>'],
  ['"', '"'],
  ['see: ', '.'],
  ['a ', ', b'],
  ['*', '*'],
);

describe('for any URL', () => {
  it('what stands in the input is known, however both texts set it off', () => {
    fc.assert(
      fc.property(url, wrap, wrap, (one, [a, b], [c, d]) => {
        expect(unknownUrls(`${c}${one}${d}`, urlsIn(`${a}${one}${b}`))).toEqual([]);
      }),
    );
  });

  it('what stands in no input is found, in whatever it is wrapped', () => {
    fc.assert(
      fc.property(url, wrap, fc.string(), (one, [a, b], known) => {
        fc.pre(!known.includes('.'));
        expect(unknownUrls({ x: `${a}${one}${b}` }, urlsIn(known))).not.toEqual([]);
      }),
    );
  });

  it('nothing can be added to one that is known', () => {
    const addition = fc
      .stringMatching(/^[/?&=%A-Za-z0-9_-]{1,20}$/)
      .filter((text) => /[A-Za-z0-9]/.test(text));
    fc.assert(
      fc.property(url, addition, wrap, (one, more, [a, b]) => {
        fc.pre(!/^(?:%[\dA-F]{2})+$/i.test(more));
        const known = urlsIn(`${one} and nothing else`);
        fc.pre(![...urlsIn(`${one}${more}`)].every((key) => known.has(key)));
        expect(unknownUrls(`${a}${one}${more}${b}`, known)).not.toEqual([]);
      }),
    );
  });

  it('a person in front of the host does not make it another', () => {
    fc.assert(
      fc.property(url, host, (one, other) => {
        const rest = one.replace(/^https?:\/\//, '');
        fc.pre(!rest.startsWith(other));
        for (const forged of [
          `https://${rest.split(/[/?#]/)[0]}@${other}/`,
          `https://${other}\\@${rest}`,
        ]) {
          expect(unknownUrls(forged, urlsIn(one))).not.toEqual([]);
        }
      }),
    );
  });
});

describe('for any text', () => {
  it('never throws, and everything in it is known from itself, but what is never known', () => {
    const word = fc.oneof(
      fc.string({ unit: 'binary' }),
      url,
      host,
      fc.constantFrom('%', '&#', '\\u', '://', '//', '](', '@', 'data:', '\ud800', '%ff'),
    );
    fc.assert(
      fc.property(
        fc.array(word).map((words) => words.join('')),
        (text) => {
          const left = unknownUrls(text, urlsIn(text)).filter(
            (one) => !/^(?:javascript|vbscript|data|blob):/i.test(one),
          );
          expect(left).toEqual([]);
        },
      ),
    );
  });

  it.each([
    'a',
    '.',
    'a.',
    '/',
    '//',
    ':',
    'http:',
    '@',
    'a@',
    '&#',
    '%25',
    '\\',
    '[(',
    'www.',

    'https://a.b/(',
    '-.',
    'a.com/',
    'a.com:1/',
    'a.com ',
    'data:',
    'data:a',
    '](',
    '](a:',
    '<',
    '[::1]/',
    '0x1/',
    'a@b.c',
    'a.b@',
    '=" ',
    'x="a:',
    'url(',
    'h\t',
    'http\t',
    'sms:',
    'a:?',
    'xn--',
    '。',
    'a。',
    '%',
    '%e',
    '&colon',
    '\\u00',
    '1.1.1.1/',
    'java\nscript',
    '//a',
  ])('a hundred thousand characters of %j take no square of time, wherever they stand', (unit) => {
    const text = unit.repeat(Math.ceil(100_000 / unit.length));
    for (const whole of [text, `https${text}`, `a.${text}`, `${text}!`, `[x](${text})`]) {
      const startedMs = performance.now();
      unknownUrls(whole, NONE);
      urlsIn({ url: whole });
      expect(performance.now() - startedMs).toBeLessThan(2_000);
    }
  });
});
