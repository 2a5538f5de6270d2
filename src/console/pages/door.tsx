import { useState } from 'preact/hooks';
import { passkeysWork, signInByPasskey } from '../core/passkeys.ts';
import { startSession, type StartAnswer } from '../core/session.ts';
import { Watched, useWatched } from '../core/store.ts';
import { useWords } from '../core/words.ts';
import type { Words } from '../words/en.ts';
import { Mark } from '../parts/icon.tsx';

const FRAGMENT = /^#sign-in=([\w-]+)$/;

/** What came of the link in the address; 'new' is a sign-in that just happened. */
export const arrival = new Watched<'none' | 'working' | 'new' | { code: string }>('none');

/** Uses the link that stands in the address, and takes its secret out of there first. */
export async function takeLink(): Promise<void> {
  const [, secret] = FRAGMENT.exec(location.hash) ?? [];
  if (secret === undefined) return;
  history.replaceState(null, '', location.pathname);
  await signInByLink(secret);
}

async function signInByLink(link: string): Promise<void> {
  arrival.set('working');
  try {
    const answer = await startSession('/api/v1/sessions', { link });
    arrival.set(answer.ok ? 'new' : { code: answer.code });
  } catch {
    arrival.set({ code: 'OFFLINE' });
  }
}

function sentence(words: Words, code: string): string {
  const known: Readonly<Record<string, unknown>> = { ...words.problems, ...words.passkey };
  const found = known[code];
  return typeof found === 'string' ? found : words.problems.other;
}

/** Who is not signed in stands here. */
export function Door({ ended }: { ended: boolean }) {
  const words = useWords();
  const state = useWatched(arrival);
  const [link, setLink] = useState('');
  const byPasskey = async (): Promise<void> => {
    arrival.set('working');
    const answer: StartAnswer | { ok: false; why: string } = await signInByPasskey();
    if (answer.ok) return arrival.set('none');
    return arrival.set({ code: 'why' in answer ? answer.why : answer.code });
  };
  const byLink = (event: Event): void => {
    event.preventDefault();
    void signInByLink(link.split('#sign-in=').at(-1)?.trim() ?? '');
  };
  return (
    <div class="door">
      <main class="stack" id="main" tabIndex={-1}>
        <Mark />
        <h1>{words.signIn.title}</h1>
        {ended && <p class="notice warn">{words.signIn.ended}</p>}
        {typeof state === 'object' && (
          <p class="notice no" role="alert">
            {sentence(words, state.code)}
          </p>
        )}
        <p class="lead">{words.signIn.lead}</p>
        <div class="tight">
          <p class="small soft">{words.signIn.command}</p>
          <pre tabIndex={0}>npx mana-edge login</pre>
        </div>
        {passkeysWork() && (
          <button type="button" class="button primary" onClick={() => void byPasskey()}>
            {words.signIn.byPasskey}
          </button>
        )}
        <form class="tight" onSubmit={byLink}>
          <label class="field">
            {words.signIn.paste}
            <input
              type="text"
              autocomplete="off"
              spellcheck={false}
              required
              value={link}
              onInput={({ currentTarget }) => setLink(currentTarget.value)}
            />
          </label>
          <div>
            <button class="button" disabled={state === 'working'}>
              {state === 'working' ? words.signIn.working : words.signIn.go}
            </button>
          </div>
        </form>
      </main>
    </div>
  );
}

/** Said where the browser gives no cryptography. */
export function Insecure() {
  const words = useWords();
  const { hostname, port } = location;
  const local = `http://localhost${port === '' ? '' : `:${port}`}`;
  return (
    <div class="door">
      <main class="stack" data-page="insecure">
        <Mark />
        <h1>{words.insecure.title}</h1>
        <p>{words.insecure.why}</p>
        <p class="soft">{words.insecure.what}</p>
        <pre tabIndex={0}>{`https://${hostname}\n${local}`}</pre>
        <p class="soft">{words.insecure.tunnel}</p>
        <pre tabIndex={0}>{`ssh -L ${port || '80'}:localhost:${port || '80'} ${hostname}`}</pre>
      </main>
    </div>
  );
}
