import type { ChatMessage } from './chat.ts';
import { MAX_ROUNDS, type PlanState } from './plan.ts';

/** A word to the model before one round; `producer` and `severity` are labels of a metric. */
export type Reminder = {
  producer: 'budget' | 'retry-loop' | 'last-turn';
  severity: 'info' | 'warning';
  text: string;
};

/** Tokens of the agent's rolling day: used so far, and the most. */
export type BudgetUse = { usedTokens: number; maxTokens: number };

const BUDGET_INFO = 0.75;
const BUDGET_WARNING = 0.9;
/** Rounds in a row of which nothing came but refusals. */
const RETRY_LOOP = 2;

/** What the model is told before its next round, for that round alone. `budget` is null for an agent without one. */
export function remindersFor(state: PlanState, budget: BudgetUse | null): Reminder[] {
  return [budgetReminder(budget), retryReminder(state), lastTurnReminder(state)].filter(
    (found) => found !== null,
  );
}

/**
 * The messages as they are sent with the reminders. They stand at the end of the last message, because some chat templates take
 * neither a second system message nor a user message after a tool's; the history itself stays without them.
 */
export function withReminders(
  messages: readonly ChatMessage[],
  reminders: readonly Reminder[],
): readonly ChatMessage[] {
  const last = messages.at(-1);
  if (reminders.length === 0 || last === undefined) return messages;
  const lines = reminders.map(({ text }) => `[Reminder of the runner: ${text}]`);
  return [...messages.slice(0, -1), { ...last, content: [last.content, ...lines].join('\n\n') }];
}

function budgetReminder(budget: BudgetUse | null): Reminder | null {
  if (budget === null || budget.maxTokens <= 0) return null;
  const share = budget.usedTokens / budget.maxTokens;
  if (share < BUDGET_INFO) return null;
  const percent = Math.min(100, Math.floor(share * 100));
  return {
    producer: 'budget',
    severity: share < BUDGET_WARNING ? 'info' : 'warning',
    text: `${percent} % of the token budget of these 24 hours is used. Propose what matters most and finish soon.`,
  };
}

function retryReminder({ fruitlessRounds }: PlanState): Reminder | null {
  if (fruitlessRounds < RETRY_LOOP) return null;
  const text = `Your last ${fruitlessRounds} turns were refused calls only. Read the reasons; do something else, or finish without a call.`;
  return { producer: 'retry-loop', severity: 'warning', text };
}

function lastTurnReminder({ round }: PlanState): Reminder | null {
  if (round !== MAX_ROUNDS - 1) return null;
  return {
    producer: 'last-turn',
    severity: 'info',
    text: 'This is your last turn. Finish with a summary for the person.',
  };
}
