import { describe, expect, test } from 'vitest';
import { readProjectFile, readSources, withoutComments } from './source-files.ts';

/** The bindings of one Worker, as either file declares them. */
type Bindings = {
  compatibilityDate: string;
  /** binding -> class */
  objects: Record<string, string>;
  classes: string[];
  texts: Record<string, string>;
};

const CAPNP = readProjectFile('workerd.capnp').replaceAll(/#.*$/gm, '');

function fromCapnp(constant: string): Bindings & { variables: string[] } {
  const [, body = ''] =
    new RegExp(`const ${constant} :Workerd\\.Worker = \\(([\\s\\S]*?)\\n\\);`).exec(CAPNP) ?? [];
  return {
    compatibilityDate: /compatibilityDate = "([^"]+)"/.exec(body)?.[1] ?? '',
    objects: pairs(body, /\(name = "(\w+)", durableObjectNamespace = "(\w+)"\)/g),
    classes: Object.keys(
      pairs(body, /\(className = "(\w+)", uniqueKey = "([\w-]+)", enableSql = true\)/g),
    ).toSorted(),
    texts: pairs(body, /\(name = "(\w+)", text = "([^"]*)"\)/g),
    variables: Object.keys(pairs(body, /\(name = "(\w+)", fromEnvironment = "(\w+)"\)/g)),
  };
}

/** The few forms that our own files use. */
function fromWrangler(path: string): Bindings & { name: string; migrated: string[] } {
  const text = readProjectFile(path).replaceAll(/^\s*#.*$/gm, '');
  const [, vars = ''] = /\[vars\]\n((?:\w+ = .*\n?)*)/.exec(text) ?? [];
  const objects = pairs(text, /\{ name = "(\w+)", class_name = "(\w+)" \}/g);
  const migrated = Array.from(
    text.matchAll(/new_sqlite_classes = \[([^\]]*)\]/g),
    ([, list = '']) => names(list),
  ).flat();
  return {
    name: /^name = "([^"]+)"/m.exec(text)?.[1] ?? '',
    compatibilityDate: /^compatibility_date = "([^"]+)"/m.exec(text)?.[1] ?? '',
    objects,
    classes: Object.values(objects).toSorted(),
    texts: pairs(vars, /(\w+) = "([^"]*)"/g),
    migrated: migrated.toSorted(),
  };
}

function names(list: string): string[] {
  return Array.from(list.matchAll(/"(\w+)"/g), ([, name = '']) => name);
}

function pairs(text: string, pattern: RegExp): Record<string, string> {
  return Object.fromEntries(
    Array.from(text.matchAll(pattern), ([, key = '', value = '']) => [key, value]),
  );
}

const WORKERS = [
  { constant: 'manaAi', wrangler: 'wrangler.toml', entry: 'src/mana-ai/index.ts' },
  { constant: 'manaAuth', wrangler: 'wrangler.mana-auth.toml', entry: 'src/mana-auth/index.ts' },
] as const;

describe.each(WORKERS)(
  '$wrangler and workerd.capnp describe one Worker',
  ({ constant, wrangler, entry }) => {
    const own = fromCapnp(constant);
    const cloud = fromWrangler(wrangler);

    test('the compatibility date is the same, and not before 2026-08-01', () => {
      expect(own.compatibilityDate).toBe(cloud.compatibilityDate);
      expect(own.compatibilityDate >= '2026-08-01').toBe(true);
    });

    test('the same bindings lead to the same classes', () => {
      expect(Object.keys(cloud.objects)).not.toEqual([]);
      expect(own.objects).toEqual(cloud.objects);
      expect(own.classes).toEqual(cloud.classes);
    });

    test('fixed texts are the same', () => {
      expect(Object.keys(cloud.texts)).not.toEqual([]);
      expect(own.texts).toEqual(cloud.texts);
    });

    test('every class has its migration, and no migration is for another', () => {
      expect(cloud.migrated).toEqual(cloud.classes);
    });

    test('every class is exported by the entry', () => {
      const code = withoutComments(readProjectFile(entry));
      const missing = cloud.classes.filter(
        (name) => !new RegExp(`export (?:class ${name}\\b|\\{[^}]*\\b${name}\\b)`).test(code),
      );
      expect(missing).toEqual([]);
    });

    test('stored objects are found again: the unique keys are fixed', () => {
      for (const name of own.classes)
        expect(CAPNP).toContain(`uniqueKey = "${cloud.name}-${name}"`);
    });

    test('each variable is bound under its own name, once', () => {
      const bound = Array.from(
        CAPNP.matchAll(/\(name = "(\w+)", fromEnvironment = "(\w+)"\)/g),
        ([, name, from]) => [name, from],
      );
      expect(bound.filter(([name, from]) => name !== from)).toEqual([]);
      expect(new Set(own.variables).size).toBe(own.variables.length);
    });
  },
);

/** The code of a room, in one text. */
function codeOf(folder: string): string {
  return readSources([folder])
    .map(({ text }) => withoutComments(text))
    .join('\n');
}

test('a Worker that runs alone, as in its container, has the memory settings of both together', () => {
  const flags = Array.from(
    CAPNP.matchAll(/const (config\w*) :Workerd\.Config = \(\s*(?:v8Flags = (\[[^\]]*\]))?/g),
    ([, name, list]) => [name, list],
  );
  expect(flags.map(([name]) => name)).toEqual(['config', 'configManaAi', 'configManaAuth']);
  expect(new Set(flags.map(([, list]) => list)).size).toBe(1);
});

test('the console is bound to the other two and to its page: no key, no variable, no storage', () => {
  const [, body = ''] = /const manaConsole :Workerd\.Worker = \(([\s\S]*?)\n\);/.exec(CAPNP) ?? [];
  expect(
    Array.from(body.matchAll(/\(name = "(\w+)", (\w+) = /g), ([, name, kind]) => [name, kind]),
  ).toEqual([
    ['MANA_AI', 'service'],
    ['MANA_AUTH', 'service'],
    ['PAGE', 'service'],
  ]);
  expect(body).not.toMatch(/fromEnvironment|durableObject/);
  const cloud = readProjectFile('wrangler.mana-console.toml');
  expect(cloud).toContain('compatibility_date = "2026-11-01"');
  for (const binding of ['MANA_AI', 'MANA_AUTH', 'PAGE'])
    expect(cloud).toContain(`binding = "${binding}"`);
});

test('nothing is let out of the console', () => {
  const [, body = ''] = /const manaConsole :Workerd\.Worker = \(([\s\S]*?)\n\);/.exec(CAPNP) ?? [];
  expect(body).toContain('globalOutbound = "nowhere"');
  expect(CAPNP).toContain('(name = "nowhere", network = (allow = []))');
});

describe('keys that one Worker has are never bound to the other', () => {
  const bound = {
    manaAi: fromCapnp('manaAi').variables,
    manaAuth: fromCapnp('manaAuth').variables,
  };

  test.each(['MANA_GRANT_SIGNING_KEY_PEM', 'MANA_AUTH_KEK', 'MANA_AUTH_ISSUER_KEY_PEM'])(
    '%s: the grants Worker has it, the runner does not',
    (name) => {
      expect([bound.manaAuth.includes(name), bound.manaAi.includes(name)]).toEqual([true, false]);
    },
  );

  test.each(['MANA_AI_PRIVATE_KEY_PEM', 'MANA_LLM_API_KEY'])(
    '%s: the runner has it, the grants Worker does not',
    (name) => {
      expect([bound.manaAuth.includes(name), bound.manaAi.includes(name)]).toEqual([false, true]);
    },
  );

  test('nor does the code of one name a key of the other', () => {
    expect(codeOf('src/mana-ai')).not.toMatch(
      /MANA_GRANT_SIGNING_KEY_PEM|MANA_AUTH_KEK|MANA_AUTH_ISSUER_KEY_PEM/,
    );
    expect(codeOf('src/mana-auth')).not.toMatch(/MANA_AI_PRIVATE_KEY_PEM|MANA_LLM_API_KEY/);
  });
});
