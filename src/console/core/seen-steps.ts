import type { Json, Mission } from './missions.ts';
import { Watched } from './store.ts';

/** A step as it stands on the screen: what a key or a button decides about. */
export type SeenStep = {
  mission: Mission;
  iteration: Json;
  step: Json;
  /** the step as it can be read; null while it is locked */
  readable: Json | null;
  /** its effect is such that it is decided by itself */
  single: boolean;
  toolName: string | null;
};

/** Told after each rendering: a key pressed between two of them finds what was seen. */
export const seenSteps = new Map<string, SeenStep>();

/** The step in focus, as the document has it now. */
export function focusedStep(): SeenStep | null {
  const element = document.activeElement?.closest('[data-step]');
  return element instanceof HTMLElement
    ? (seenSteps.get(element.dataset['step'] ?? '') ?? null)
    : null;
}

/** The step that is being edited. */
export const editing = new Watched<string | null>(null);
