import { useState } from 'preact/hooks';
import { ApiError } from '../core/api.ts';
import { passkeySecret, prfWorks } from '../core/passkeys.ts';
import { Watched, useWatched } from '../core/store.ts';
import { askVault, unlockByCode, unlockByPasskey, type VaultAnswer } from '../core/vault.ts';
import { signedIn } from '../core/session.ts';
import { useWords } from '../core/words.ts';
import { Dialog } from './dialog.tsx';
import { Problem } from './problem.tsx';

type NeedsCode = Extract<VaultAnswer, { requiresRecoveryCode: true }>;

const unlocking = new Watched<'no' | 'asks' | NeedsCode | ApiError>('no');

/** Unlocks at once where the vault has the key; else asks for the recovery code or a passkey. */
export async function unlock(): Promise<void> {
  const person = signedIn.value;
  if (typeof person === 'string') return;
  unlocking.set('asks');
  try {
    const answer = await askVault(person.userId);
    unlocking.set('masterKey' in answer ? 'no' : answer);
  } catch (thrown) {
    if (!(thrown instanceof ApiError)) throw thrown;
    unlocking.set(thrown);
  }
}

/** What unlocking asks for. */
export function Unlocking() {
  const words = useWords();
  const state = useWatched(unlocking);
  if (state === 'no' || state === 'asks') return null;
  const close = (): void => unlocking.set('no');
  return (
    <Dialog title={words.lock.title} onClose={close}>
      {state instanceof ApiError ? (
        <Problem problem={state} again={() => void unlock()} />
      ) : (
        <ByCode needs={state} close={close} />
      )}
    </Dialog>
  );
}

function ByCode({ needs, close }: { needs: NeedsCode; close: () => void }) {
  const words = useWords();
  const [code, setCode] = useState('');
  const [wrong, setWrong] = useState<string | null>(null);
  const { userId } = signedIn.value as { userId: string };
  const byCode = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (await unlockByCode(userId, code, needs)) close();
    else setWrong(words.lock.codeWrong);
  };
  const wraps = needs.wraps ?? [];
  const byPasskey = async (): Promise<void> => {
    const asked = await passkeySecret(wraps.map(({ credentialId }) => credentialId));
    if (!asked.ok)
      return setWrong((words.passkey as Record<string, string>)[asked.why] ?? words.problems.other);
    const wrap = wraps.find(({ credentialId }) => credentialId === asked.credentialId);
    if (wrap !== undefined && (await unlockByPasskey(userId, asked.secret, wrap))) close();
    else setWrong(words.passkey['not-supported']);
    return undefined;
  };
  return (
    <form class="stack" onSubmit={(event) => void byCode(event)}>
      <p class="soft">{words.lock.why}</p>
      {wraps.length > 0 && prfWorks() && (
        <button type="button" class="button primary" onClick={() => void byPasskey()}>
          {words.lock.byPasskey}
        </button>
      )}
      <label class="field">
        {words.lock.code}
        <input
          class="code"
          autocomplete="off"
          spellcheck={false}
          required
          value={code}
          aria-invalid={wrong !== null}
          aria-describedby="code-hint"
          onInput={({ currentTarget }) => setCode(currentTarget.value)}
        />
        <span id="code-hint" class={wrong === null ? 'hint' : 'wrong'}>
          {wrong ?? words.lock.codeHint}
        </span>
      </label>
      <div class="row">
        <button class="button primary">{words.lock.byCode}</button>
        <button type="button" class="button quiet" onClick={close}>
          {words.common.cancel}
        </button>
      </div>
    </form>
  );
}
