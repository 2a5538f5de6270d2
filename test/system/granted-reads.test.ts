import { expect, it } from 'vitest';
import { openIteration } from '../../src/grants/index.ts';
import { readIteration } from '../../src/missions/iteration.ts';
import { dueMission, runnerRows, writeRecord } from './support/device.ts';
import { type ChatBody, finalAnswer, toolCalls } from './support/llm-stub.ts';
import { grantKeys, Person } from './support/person.ts';
import { waitFor } from './support/runner.ts';
import { useStage } from './support/stage.ts';

const { postgres, llm, runner, environment: keys } = useStage({ environment: grantKeys });

/** What the tools answered, by the order of the calls. */
function repliesIn({
  messages,
}: ChatBody): { status: string; result?: { items?: Record<string, unknown>[] } }[] {
  return messages
    .filter(({ role }) => role === 'tool')
    .map(({ content }) => JSON.parse(content ?? 'null') as { status: string });
}

it('an agent reads two granted notes, three tasks and the goals, and proposes steps that refer to them', async () => {
  const person = new Person(postgres, keys);
  const { userId } = person;
  await person.writeNote('n1', { title: 'Trip', content: 'Trains to Lisbon' });
  await person.writeNote('n2', { title: 'Books', content: 'Three to read' });
  await person.writeNote('n3', { title: 'Diary', content: 'Nobody reads this' });
  await person.writeTask('t1', { title: 'Book the train', dueDate: '2026-01-02' });
  await person.writeTask('t2', { title: 'Pack', dueDate: '2099-01-01' });
  await person.writeTask('t3', { title: 'Buy a map' });
  await writeRecord(postgres, {
    userId,
    appId: 'companion',
    table: 'companionGoals',
    recordId: 'g1',
    data: { title: 'Travel slowly', currentValue: 1, target: { value: 4 } },
  });
  llm.behave((body) => {
    const replies = repliesIn(body);
    if (replies.length === 0)
      return toolCalls([
        ['list_notes', {}],
        ['list_tasks', { filter: 'overdue' }],
        ['get_task_stats', {}],
        ['get_note', { noteId: 'n3' }],
        ['find_tools', { query: 'goal progress' }],
      ]);
    const task = replies[1]?.result?.items?.[0];
    const note = replies[0]?.result?.items?.find(({ id }) => id === 'n1');
    if (replies.length === 5)
      return toolCalls(
        [
          ['complete_task', { taskId: task?.['id'] ?? '' }],
          ['append_to_note', { noteId: note?.['id'] ?? '', content: 'Booked.' }],
          ['list_goals', {}],
        ],
        'The train is booked.',
      );
    return finalAnswer('Two steps.');
  });
  const records = ['notes:n1', 'notes:n2', 'tasks:t1', 'tasks:t2', 'tasks:t3'];
  const grant = await person.mint('m1', { records });
  const inputs = [{ module: 'notes', table: 'notes', id: 'n1' }];
  await person.writeMission(
    'm1',
    dueMission({ objective: 'Prepare the trip with my notes and tasks.', inputs, grant }),
  );
  const row = await waitFor(async () => (await runnerRows(postgres, userId, 'm1'))[0], 'the plan');

  const last = llm.requests.at(-1)?.body;
  const [notes, overdue, stats, refused, , , , goals] = repliesIn(last!);
  expect(notes?.result?.items?.map(({ id }) => id)).toEqual(['n1', 'n2']);
  expect(overdue?.result?.items).toMatchObject([{ id: 't1', title: 'Book the train' }]);
  expect(stats?.result).toMatchObject({ open: 3, overdue: 1 });
  expect(refused?.result).toMatchObject({ items: [] });
  expect(goals?.result?.items).toMatchObject([{ id: 'g1', title: 'Travel slowly' }]);
  expect(JSON.stringify(llm.requests)).not.toContain('Nobody reads this');

  const missionKeys = await person.keysOf({ tableName: 'aiMissions', recordId: 'm1' });
  const opened = await openIteration({
    keys: missionKeys,
    missionId: 'm1',
    iteration: row.data.iterations?.[0] ?? {},
  });
  const iteration = readIteration(opened.ok ? opened.iteration : null);
  expect(iteration?.plan.map(({ summary, rationale }) => [summary, rationale])).toEqual([
    ["Mark task 'Book the train' as done", 'The train is booked.'],
    ["Add 'Booked.' to note 'Trip'", 'The train is booked.'],
  ]);
  const audit = await postgres.query(
    `select distinct table_name || ':' || record_id as ref from mana_ai.decrypt_audit
     where user_id = $1 and kind = 'outcome' and status = 'ok' order by 1`,
    [userId],
  );
  expect(audit.map(({ ref }) => ref)).toEqual(records);
});

it('an answer whose reading cannot be audited is kept, and not paid for again', async () => {
  const person = new Person(postgres, keys);
  await person.writeNote('n1', { title: 'Trip', content: 'Trains to Porto' });
  llm.requests.length = 0;
  llm.behave(async (body) => {
    if (repliesIn(body).length > 0) return finalAnswer('Nothing to do.');
    await postgres.query('revoke insert on mana_ai.decrypt_audit from mana_ai_runner');
    return toolCalls([['list_notes', {}]]);
  });
  const grant = await person.mint('m1', { records: ['notes:n1'] });
  await person.writeMission('m1', dueMission({ objective: 'Look at my notes.', grant }));
  await waitFor(async () => {
    const answer = await runner.internal(`/internal/missions/${person.userId}`);
    return (await answer.text()).includes('back-off') || undefined;
  }, 'the mission to be held back');
  await postgres.query('grant insert on mana_ai.decrypt_audit to mana_ai_runner');
  await waitFor(
    async () => (await runnerRows(postgres, person.userId, 'm1'))[0],
    'the plan',
    60_000,
  );
  expect(llm.requests).toHaveLength(2);
  expect(JSON.stringify(llm.requests[1])).toContain('Trip');
});

it('a reading tool that the policy denies opens nothing where the model calls it all the same', async () => {
  const person = new Person(postgres, keys);
  const { userId } = person;
  await person.writeNote('n1', { title: 'Trip', content: 'Trains to Faro' });
  await writeRecord(postgres, {
    userId,
    recordId: 'a',
    table: 'agents',
    data: {
      name: 'Ada',
      state: 'active',
      policy: { defaultsByModule: { notes: 'deny' }, defaultForAi: 'propose' },
    },
  });
  llm.requests.length = 0;
  llm.behave((body) =>
    repliesIn(body).length > 0 ? finalAnswer('Nothing.') : toolCalls([['list_notes', {}]]),
  );
  const grant = await person.mint('m1', { records: ['notes:n1'] });
  await person.writeMission(
    'm1',
    dueMission({ objective: 'Look at my notes.', agentId: 'a', grant }),
  );
  await waitFor(async () => (await runnerRows(postgres, userId, 'm1'))[0], 'the plan');
  expect(repliesIn(llm.requests.at(-1)!.body)).toMatchObject([{ status: 'refused' }]);
  expect(JSON.stringify(llm.requests)).not.toContain('Faro');
  expect(
    await postgres.query('select 1 from mana_ai.decrypt_audit where user_id = $1', [userId]),
  ).toEqual([]);
});
