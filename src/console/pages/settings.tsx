import { useEffect, useState } from 'preact/hooks';
import { api, ApiError } from '../core/api.ts';
import { addPasskey, passkeySecret, passkeysWork, prfWorks } from '../core/passkeys.ts';
import { forgetPerson, signedIn } from '../core/session.ts';
import { usePromise, useWatched } from '../core/store.ts';
import { when } from '../core/times.ts';
import {
  enterZeroKnowledge,
  leaveZeroKnowledge,
  lock,
  masterKeyBytes,
  newRecoveryCode,
  vaultStatus,
  wrapForPasskey,
} from '../core/vault.ts';
import { type Language, prefer, preferences, useWords } from '../core/words.ts';
import { confirm } from '../parts/dialog.tsx';
import { Problem, refusalOf } from '../parts/problem.tsx';
import { QrCode } from '../parts/qr-code.tsx';

type SessionRow = { sessionId: string; name: string; createdAt: string; lastUsedAt: string };
type PasskeyRow = { credentialId: string; name: string; createdAt: string; unlocks: boolean };

/** Sessions, passkeys, another device, the vault, and how this page behaves. */
export function Settings() {
  const words = useWords();
  const [problem, setProblem] = useState<ApiError | null>(null);
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
      setProblem(null);
    } catch (thrown) {
      setProblem(refusalOf(thrown));
    }
  };
  return (
    <>
      <h1>{words.settings.title}</h1>
      {problem !== null && <Problem problem={problem} />}
      <Sessions attempt={attempt} />
      <Passkeys attempt={attempt} />
      <Device attempt={attempt} />
      <Vault attempt={attempt} />
      <Behaviour />
    </>
  );
}

type Attempt = { attempt: (work: () => Promise<void>) => Promise<void> };

async function signOut(): Promise<void> {
  const person = signedIn.value;
  if (typeof person === 'string') return;
  await api(`/api/v1/me/sessions/${person.sessionId}`, { method: 'DELETE' }).catch(
    (thrown: unknown) => {
      // Signing out works without the server too: nothing of the person stays here.
      if (!(thrown instanceof ApiError)) throw thrown;
    },
  );
  await lock();
  await forgetPerson();
  signedIn.set('no');
}

function Sessions({ attempt }: Attempt) {
  const words = useWords();
  const person = useWatched(signedIn) as { userId: string; sessionId: string };
  const [turn, setTurn] = useState(0);
  const answer = usePromise(() => api<{ sessions: SessionRow[] }>('/api/v1/me/sessions'), turn);
  const end = (path: string): void =>
    void attempt(async () => {
      await api(path, { method: 'DELETE' });
      setTurn(turn + 1);
    });
  return (
    <section class="card">
      <header>
        <h2>{words.settings.sessions}</h2>
        <p class="small soft">
          {words.settings.userId}: <code>{person.userId}</code>
        </p>
      </header>
      <ul class="list">
        {(answer?.sessions ?? []).map(({ sessionId, name, lastUsedAt }) => (
          <li key={sessionId} data-session={sessionId}>
            <div class="row">
              <div>
                {name}{' '}
                {sessionId === person.sessionId && (
                  <span class="tag yes">{words.settings.thisOne}</span>
                )}
                <p class="small soft">{words.settings.lastUsed(when(lastUsedAt))}</p>
              </div>
              {sessionId !== person.sessionId && (
                <button
                  type="button"
                  class="button slim end"
                  aria-label={`${words.settings.end}: ${name}`}
                  onClick={() => end(`/api/v1/me/sessions/${sessionId}`)}
                >
                  {words.settings.end}
                </button>
              )}
            </div>
          </li>
        ))}
      </ul>
      <div class="body">
        <div class="row">
          <button type="button" class="button" onClick={() => void signOut()}>
            {words.settings.signOut}
          </button>
          <button
            type="button"
            class="button quiet danger"
            onClick={() => end(`/api/v1/me/sessions?except=${person.sessionId}`)}
          >
            {words.settings.endOthers}
          </button>
        </div>
      </div>
    </section>
  );
}

function Passkeys({ attempt }: Attempt) {
  const words = useWords();
  const { userId } = useWatched(signedIn) as { userId: string };
  const [turn, setTurn] = useState(0);
  const [name, setName] = useState('');
  const [told, setTold] = useState<string | null>(null);
  const answer = usePromise(() => api<{ passkeys: PasskeyRow[] }>('/api/v1/me/passkeys'), turn);
  const vault = usePromise(vaultStatus, turn);
  const known = answer?.passkeys ?? [];
  const failures: Readonly<Record<string, string>> = words.passkey;
  const add = async (event: Event): Promise<void> => {
    event.preventDefault();
    const ids = known.map(({ credentialId }) => credentialId);
    const made = await addPasskey(userId, name.trim(), ids);
    const problems = words.problems as unknown as Readonly<Record<string, string>>;
    const failure = made.ok
      ? ''
      : (failures[made.why] ?? problems[made.why] ?? words.problems.other);
    setTold(made.ok ? words.settings.passkeyAdded : failure);
    setName('');
    setTurn(turn + 1);
  };
  const remove = (credentialId: string): void =>
    void attempt(async () => {
      await api(`/api/v1/me/passkeys/${credentialId}`, { method: 'DELETE' });
      setTurn(turn + 1);
    });
  return (
    <section class="card">
      <header>
        <h2>{words.settings.passkeys}</h2>
        <p class="small soft">
          {passkeysWork() ? words.settings.passkeysLead : words.settings.noPasskeysHere}
        </p>
      </header>
      {known.length > 0 && (
        <ul class="list">
          {known.map((passkey) => (
            <li key={passkey.credentialId} data-passkey={passkey.credentialId}>
              <div class="row">
                <div>
                  {passkey.name}{' '}
                  {passkey.unlocks && <span class="tag yes">{words.settings.unlocks}</span>}
                  <p class="small soft">{when(passkey.createdAt)}</p>
                </div>
                <button
                  type="button"
                  class="button slim end"
                  aria-label={`${words.settings.remove}: ${passkey.name}`}
                  onClick={() => remove(passkey.credentialId)}
                >
                  {words.settings.remove}
                </button>
              </div>
              {prfWorks() && !passkey.unlocks && vault?.hasRecoveryWrap === true && (
                <LetUnlock
                  credentialId={passkey.credentialId}
                  attempt={attempt}
                  done={() => setTurn(turn + 1)}
                />
              )}
            </li>
          ))}
        </ul>
      )}
      {passkeysWork() && (
        <form class="body" onSubmit={(event) => void add(event)}>
          <label class="field">
            {words.settings.passkeyName}
            <input
              required
              maxLength={100}
              value={name}
              onInput={({ currentTarget }) => setName(currentTarget.value)}
            />
          </label>
          {told !== null && <p role="status">{told}</p>}
          <div>
            <button class="button">{words.settings.addPasskey}</button>
          </div>
        </form>
      )}
    </section>
  );
}

/** Has a passkey's PRF wrap the master key, which the recovery code opens for this one moment. */
function LetUnlock({
  credentialId,
  attempt,
  done,
}: Attempt & { credentialId: string; done: () => void }) {
  const words = useWords();
  const [code, setCode] = useState('');
  const [wrong, setWrong] = useState<string | null>(null);
  const failures: Readonly<Record<string, string>> = words.passkey;
  const make = (event: Event): void => {
    event.preventDefault();
    void attempt(async () => {
      const masterKey = await masterKeyBytes(code);
      if (masterKey === null) return setWrong(words.lock.codeWrong);
      const asked = await passkeySecret([credentialId]);
      if (!asked.ok) return setWrong(failures[asked.why] ?? words.problems.other);
      await wrapForPasskey(credentialId, asked.secret, masterKey);
      return done();
    });
  };
  return (
    <details>
      <summary>{words.settings.makeUnlock}</summary>
      <form class="tight" onSubmit={make}>
        <label class="field">
          {words.lock.code}
          <input
            class="code"
            autocomplete="off"
            spellcheck={false}
            value={code}
            onInput={({ currentTarget }) => setCode(currentTarget.value)}
          />
          <span class={wrong === null ? 'hint' : 'wrong'}>
            {wrong ?? words.settings.makeUnlockWhy}
          </span>
        </label>
        <div>
          <button class="button slim">{words.settings.makeUnlock}</button>
        </div>
      </form>
    </details>
  );
}

function Device({ attempt }: Attempt) {
  const words = useWords();
  const [link, setLink] = useState<{ url: string; expiresAt: string } | null>(null);
  const [copied, setCopied] = useState(false);
  const make = (): void =>
    void attempt(async () => {
      setLink(await api('/api/v1/me/sign-in-links', { method: 'POST', body: {} }));
    });
  useEffect(() => {
    if (link === null) return undefined;
    // A secret that is of no use any more is not left on the screen.
    const timer = setTimeout(() => setLink(null), Date.parse(link.expiresAt) - Date.now());
    return () => clearTimeout(timer);
  }, [link]);
  return (
    <section class="card">
      <header>
        <h2>{words.settings.device}</h2>
        <p class="small soft">{words.settings.deviceLead}</p>
      </header>
      <div class="body">
        {link === null ? (
          <div>
            <button type="button" class="button" onClick={make}>
              {words.settings.makeLink}
            </button>
          </div>
        ) : (
          <div class="tight">
            <QrCode text={link.url} />
            <pre tabIndex={0}>{link.url}</pre>
            <div>
              <button
                type="button"
                class="button slim"
                onClick={() =>
                  void navigator.clipboard.writeText(link.url).then(() => setCopied(true))
                }
              >
                {copied ? words.settings.copied : words.settings.copy}
              </button>
            </div>
          </div>
        )}
      </div>
    </section>
  );
}

function Vault({ attempt }: Attempt) {
  const words = useWords();
  const [turn, setTurn] = useState(0);
  const [code, setCode] = useState<string | null>(null);
  const [typed, setTyped] = useState('');
  const [wrong, setWrong] = useState(false);
  const status = usePromise(vaultStatus, turn);
  if (status === undefined) return null;
  const again = (): void => setTurn(turn + 1);
  const makeCode = (): void =>
    void attempt(async () => {
      setCode(await newRecoveryCode());
      again();
    });
  const enter = (): void =>
    void attempt(async () => {
      const question = { title: words.settings.enterZk, body: words.settings.enterZkSure };
      if (!(await confirm({ ...question, yes: words.settings.enterZk, danger: true }))) return;
      await enterZeroKnowledge();
      again();
    });
  const leave = (event: Event): void => {
    event.preventDefault();
    void attempt(async () => {
      setWrong(!(await leaveZeroKnowledge(typed)));
      setTyped('');
      again();
    });
  };
  return (
    <section class="card">
      <header>
        <h2>{words.settings.vault}</h2>
        <p class="small soft">{modeWords(words, status)}</p>
      </header>
      {status.vaultExists && (
        <div class="body">
          {code !== null && (
            <div class="notice warn">
              <p>{words.settings.codeOnce}</p>
              <pre tabIndex={0} data-code>
                {code}
              </pre>
              <button type="button" class="button slim" onClick={() => setCode(null)}>
                {words.settings.codeSaved}
              </button>
            </div>
          )}
          {!status.zeroKnowledge && (
            <div class="row">
              <button type="button" class="button" onClick={makeCode}>
                {words.settings.newCode}
              </button>
              <button
                type="button"
                class="button quiet danger"
                disabled={!status.hasRecoveryWrap}
                onClick={enter}
              >
                {words.settings.enterZk}
              </button>
            </div>
          )}
          {status.zeroKnowledge && (
            <form class="tight" onSubmit={leave}>
              <label class="field">
                {words.lock.code}
                <input
                  class="code"
                  autocomplete="off"
                  spellcheck={false}
                  required
                  value={typed}
                  onInput={({ currentTarget }) => setTyped(currentTarget.value)}
                />
                {wrong && <span class="wrong">{words.lock.codeWrong}</span>}
              </label>
              <div>
                <button class="button">{words.settings.leaveZk}</button>
              </div>
            </form>
          )}
        </div>
      )}
    </section>
  );
}

function modeWords(
  words: ReturnType<typeof useWords>,
  { vaultExists, zeroKnowledge }: { vaultExists: boolean; zeroKnowledge: boolean },
): string {
  if (!vaultExists) return words.settings.vaultNone;
  return zeroKnowledge ? words.settings.vaultZk : words.settings.vaultOn;
}

function Behaviour() {
  const words = useWords();
  const { language, shortcuts, zone } = useWatched(preferences);
  return (
    <section class="card">
      <header>
        <h2>{words.settings.keys}</h2>
      </header>
      <div class="body">
        <label class="check">
          <input
            type="checkbox"
            checked={shortcuts}
            onChange={({ currentTarget }) => prefer({ shortcuts: currentTarget.checked })}
          />
          {words.settings.keysOn}
        </label>
        <div class="fields">
          <label class="field">
            {words.settings.language}
            <select
              value={language}
              onChange={({ currentTarget }) =>
                prefer({ language: currentTarget.value as Language })
              }
            >
              <option value="en" lang="en">
                English
              </option>
              <option value="de" lang="de">
                Deutsch
              </option>
            </select>
          </label>
          <label class="field">
            {words.settings.zone}
            <select
              value={zone ?? ''}
              onChange={({ currentTarget }) => prefer({ zone: currentTarget.value || null })}
            >
              <option value="">
                {words.settings.zoneOf(Intl.DateTimeFormat().resolvedOptions().timeZone)}
              </option>
              {Intl.supportedValuesOf('timeZone').map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </div>
      </div>
    </section>
  );
}
