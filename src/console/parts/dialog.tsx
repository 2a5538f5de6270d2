import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Watched, useWatched } from '../core/store.ts';
import { useWords } from '../core/words.ts';

type Asked = {
  title: string;
  body: ComponentChildren;
  yes: string;
  danger?: boolean;
  answer: (yes: boolean) => void;
};

const asked = new Watched<Asked | null>(null);

/** Asks the person, and waits for yes or no. */
export function confirm(question: Omit<Asked, 'answer'>): Promise<boolean> {
  return new Promise((answer) => asked.set({ ...question, answer }));
}

/** A modal dialog; the browser keeps the focus in it and gives it back. */
export function Dialog({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={onClose} onCancel={onClose}>
      <div class="stack">
        <h2 id="dialog-title">{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

/** Where `confirm` asks. */
export function Confirming() {
  const words = useWords();
  const question = useWatched(asked);
  if (question === null) return null;
  const answer = (yes: boolean): void => {
    asked.set(null);
    question.answer(yes);
  };
  return (
    <Dialog title={question.title} onClose={() => asked.value === question && answer(false)}>
      <div class="stack">{question.body}</div>
      <div class="row">
        <button
          type="button"
          class={`button ${question.danger === true ? 'danger' : 'primary'}`}
          onClick={() => answer(true)}
        >
          {question.yes}
        </button>
        <button type="button" class="button quiet" onClick={() => answer(false)}>
          {words.common.cancel}
        </button>
      </div>
    </Dialog>
  );
}
