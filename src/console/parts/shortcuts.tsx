import { undo } from '../core/decisions.ts';
import { focusedStep } from '../core/seen-steps.ts';
import { Watched, useWatched } from '../core/store.ts';
import { preferences, useWords, words } from '../core/words.ts';
import { approveAllOf } from './approve-all.tsx';
import { Dialog } from './dialog.tsx';
import { EditStep } from './edit-step.tsx';
import { decideSeen } from '../core/decide-seen.ts';
import { editing } from '../core/seen-steps.ts';
import { unlock } from './unlock.tsx';

const helping = new Watched(false);

/** Hears keys while the inbox is there. What is focused is asked of the document at each key, never of a rendering. */
export function watchKeys(): () => void {
  document.addEventListener('keydown', onKey);
  return () => document.removeEventListener('keydown', onKey);
}

function onKey(event: KeyboardEvent): void {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) return submit(event);
  const typing =
    event.target instanceof Element && event.target.closest('input, textarea, select, dialog');
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !preferences.value.shortcuts)
    return undefined;
  const action = ACTIONS[event.key];
  if (action === undefined) return undefined;
  event.preventDefault();
  return action();
}

const ACTIONS: Readonly<Record<string, () => void>> = {
  j: () => moveFocus(1),
  k: () => moveFocus(-1),
  a: () => decide('approve'),
  r: () => decide('reject'),
  e: () => {
    const seen = focusedStep();
    if (seen?.readable) editing.set(`${String(seen.iteration['id'])}\n${String(seen.step['id'])}`);
  },
  A: () => {
    const seen = focusedStep();
    if (seen !== null) void approveAllOf(words.value, String(seen.iteration['id']));
  },
  c: () => {
    const plan = document.activeElement?.closest('[data-plan]') ?? document;
    plan.querySelector<HTMLElement>('[data-comment]')?.focus();
  },
  z: () => void undo(),
  u: () => void unlock(),
  '?': () => helping.set(true),
};

function decide(verdict: 'approve' | 'reject'): void {
  const seen = focusedStep();
  if (seen !== null) void decideSeen(seen, verdict);
}

function moveFocus(by: number): void {
  const steps = [...document.querySelectorAll<HTMLElement>('[data-step]')];
  const at = steps.findIndex((step) => step.contains(document.activeElement));
  const next = at < 0 ? (by > 0 ? 0 : steps.length - 1) : at + by;
  steps[Math.min(steps.length - 1, Math.max(0, next))]?.focus();
}

function submit(event: KeyboardEvent): void {
  const plan =
    document.activeElement?.closest('[data-plan]') ?? document.querySelector('[data-plan]');
  const form = plan?.querySelector<HTMLFormElement>('[data-send]');
  if (form === null || form === undefined) return;
  event.preventDefault();
  form.requestSubmit();
}

/** The button that shows the shortcuts, the help itself, and the form of an edit. */
export function KeyHelp() {
  const text = useWords();
  const shown = useWatched(helping);
  const { shortcuts } = useWatched(preferences);
  const edited = useWatched(editing);
  return (
    <>
      {shortcuts && (
        <button
          type="button"
          class="button quiet slim actions for-keys"
          onClick={() => helping.set(true)}
        >
          {text.help.title} <kbd>?</kbd>
        </button>
      )}
      {edited !== null && <EditStep stepKey={edited} />}
      {shown && (
        <Dialog title={text.help.title} onClose={() => helping.set(false)}>
          <dl class="keys">
            {text.help.keys.map(([key, what]) => (
              <>
                <dt key={key}>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{what}</dd>
              </>
            ))}
          </dl>
          <div>
            <button type="button" class="button" onClick={() => helping.set(false)}>
              {text.help.close}
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}
