import { useState } from 'preact/hooks';
import { tools, type Tool } from '../core/catalog.ts';
import { markEdited } from '../core/decisions.ts';
import { callOf, noteOf } from '../core/intent.ts';
import type { Json } from '../core/missions.ts';
import { seenSteps, type SeenStep } from '../core/seen-steps.ts';
import { usePromise } from '../core/store.ts';
import { useWords } from '../core/words.ts';
import { Dialog } from './dialog.tsx';
import { editing } from '../core/seen-steps.ts';
import { fieldWords, textOf } from '../core/intent.ts';

type Field = { name: string; type: string; options?: string[]; hint?: string; required: boolean };

const close = (): void => editing.set(null);

/** A form for what a step says; what comes out is sealed here, and approved. */
export function EditStep({ stepKey }: { stepKey: string }) {
  const words = useWords();
  const [seen] = useState(() => seenSteps.get(stepKey));
  const catalog = usePromise(tools, stepKey);
  if (!seen?.readable || catalog === undefined) return null;
  return (
    <Dialog title={words.inbox.edit} onClose={close}>
      <Form seen={seen} readable={seen.readable} tool={catalog.get(seen.toolName ?? '')} />
    </Dialog>
  );
}

function Form({
  seen,
  readable,
  tool,
}: {
  seen: SeenStep;
  readable: Json;
  tool: Tool | undefined;
}) {
  const words = useWords();
  const call = callOf(readable);
  const note = noteOf(readable);
  const fields = fieldsOf(tool, call?.params ?? {});
  const [values, setValues] = useState<Record<string, unknown>>({ ...call?.params });
  const [body, setBody] = useState(note ?? '');
  const [summary, setSummary] = useState(textOf(readable));
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    const params = Object.fromEntries(
      Object.entries(values).filter(([, value]) => value !== '' && value !== undefined),
    );
    await markEdited(seen.mission, seen.iteration, seen.step, {
      ...(call === null ? {} : { params }),
      ...(note === null ? {} : { body }),
      ...(summary === textOf(readable) ? {} : { summary }),
    });
    close();
  };
  return (
    <form class="stack" onSubmit={(event) => void save(event)}>
      <label class="field">
        {words.missions.name}
        <textarea
          rows={2}
          required
          value={summary}
          onInput={({ currentTarget }) => setSummary(currentTarget.value)}
        />
      </label>
      {note !== null && (
        <label class="field">
          {words.effects.hand}
          <textarea
            required
            value={body}
            onInput={({ currentTarget }) => setBody(currentTarget.value)}
          />
        </label>
      )}
      {fields.map((field) => (
        <OneField
          key={field.name}
          field={field}
          value={values[field.name]}
          set={(value) => setValues({ ...values, [field.name]: value })}
        />
      ))}
      <div class="row">
        <button class="button primary">{words.inbox.edited}</button>
        <button type="button" class="button quiet" onClick={close}>
          {words.common.cancel}
        </button>
      </div>
    </form>
  );
}

/** The fields of the tool, else those that the call has. */
function fieldsOf(tool: Tool | undefined, params: Readonly<Record<string, unknown>>): Field[] {
  const { properties, required = [] } = tool?.parameters ?? {};
  if (properties === undefined)
    return Object.entries(params).map(([name, value]) => ({
      name,
      type: typeof value,
      required: true,
    }));
  return Object.entries(properties).map(
    ([name, { type = 'string', enum: options, description }]) => ({
      name,
      type,
      required: required.includes(name),
      ...(options === undefined ? {} : { options }),
      ...(description === undefined ? {} : { hint: description }),
    }),
  );
}

function OneField({
  field: { name, type, options, hint, required },
  value,
  set,
}: {
  field: Field;
  value: unknown;
  set: (value: unknown) => void;
}) {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  if (type === 'boolean')
    return (
      <label class="check">
        <input
          type="checkbox"
          checked={value === true}
          onChange={({ currentTarget }) => set(currentTarget.checked)}
        />
        {fieldWords(name)}
      </label>
    );
  return (
    <label class="field">
      {fieldWords(name)}
      {options !== undefined && (
        <select
          value={text}
          required={required}
          onChange={({ currentTarget }) => set(currentTarget.value)}
        >
          {!required && <option value="" />}
          {options.map((option) => (
            <option key={option}>{option}</option>
          ))}
        </select>
      )}
      {options === undefined && type === 'number' && (
        <input
          type="number"
          step="any"
          required={required}
          value={text}
          onInput={({ currentTarget }) => set(currentTarget.valueAsNumber)}
        />
      )}
      {options === undefined && type !== 'number' && (
        <textarea
          rows={1}
          required={required}
          value={text}
          onInput={({ currentTarget }) => set(currentTarget.value)}
        />
      )}
      {hint !== undefined && <span class="hint">{hint}</span>}
    </label>
  );
}
