import { formatInput } from '../src/inputs/index.ts';
import type { ChatMessage } from '../src/planner/chat.ts';
import { findToolsTool } from '../src/planner/find-tools.ts';
import { buildPrompt } from '../src/planner/prompt.ts';
import { countPrompt } from '../src/planner/tokens.ts';
import { chooseTools, toolsOfRound } from '../src/planner/tool-choice.ts';
import { CATALOG } from '../src/planner/tools/index.ts';
import type { Tool } from '../src/planner/tools/tool.ts';

/** What a local server is offered by default (MANA_LLM_MAX_TOOLS). */
const LOCAL_TOOLS = 16;

const MISSION = {
  title: 'Learn enough Italian for June',
  objective:
    'Keep me on course: three short sessions a week, and one thing to prepare before each lesson.',
  conceptMarkdown: '',
};

const INPUTS = [
  formatInput('notes', {
    id: 'note-1',
    title: 'Lesson notes',
    content:
      'Passato prossimo still shaky. Ask Giulia about pronouns. Vocabulary: the market, the station, at the doctor.',
  }),
  formatInput('tasks', {
    id: 'task-1',
    title: 'Book the exam',
    dueDate: '2027-03-01',
    isCompleted: false,
  }),
].flatMap((reading) => (reading.ok ? [reading] : []));

/** Prints how long the first request of a mission with two inputs is: with every tool, and with those chosen for a local model. */
function main(): void {
  const { system, user } = buildPrompt({
    mission: MISSION,
    inputs: INPUTS,
    lastIterations: [],
    persona: null,
    locale: 'en',
    nowIso: '2026-11-24T10:00:00.000Z',
    timeZone: 'Europe/Berlin',
    delimiter: '0b0c7c3e-2c1c-4f7e-9a57-0b3d9a1f0c22',
  });
  const messages: ChatMessage[] = [
    { role: 'system', content: system },
    { role: 'user', content: user },
  ];
  const choice = chooseTools({
    tools: CATALOG,
    decide: () => 'propose',
    inputModules: ['notes', 'tasks'],
    missionText: `${MISSION.title}\n${MISSION.objective}`,
    approvals: new Map<string, number>(),
    maxTools: LOCAL_TOOLS,
  });
  process.stdout.write(`a mission with ${INPUTS.length} inputs, in tokens (estimated)\n`);
  print('all tools', messages, CATALOG);
  print('chosen tools', messages, toolsOfRound(choice, [], findToolsTool));
}

function print(label: string, messages: readonly ChatMessage[], tools: readonly Tool[]): void {
  const counted = countPrompt(messages, tools);
  const parts = `${counted.messages} messages + ${counted.tools} for ${tools.length} tools`;
  process.stdout.write(`${label.padEnd(14)}${String(counted.total).padStart(6)}  (${parts})\n`);
}

main();
