import { names } from '../names.ts';
import type { Step } from '../step.ts';
import { creates, TIME_BLOCKS } from '../tables.ts';
import type { ReadRecord } from '../types.ts';

/** When something is, or was: it stands in a table of its own, which the calendar draws. */
export const CREATES_BLOCK = creates(
  TIME_BLOCKS,
  names(
    'startDate endDate allDay isLive timezone recurrenceRule kind',
    'type sourceModule sourceId linkedBlockId title description',
    'color icon projectId',
  ),
);

export type TimeBlock = {
  startDate: string;
  endDate: string | null;
  allDay?: boolean;
  kind: 'scheduled' | 'logged';
  type: 'event' | 'habit' | 'visit';
  sourceModule: string;
  sourceId: string;
  title: unknown;
  description?: string | null;
  color?: string | null;
  icon?: string | null;
};

/** Adds the block of a record. */
export function insertBlock(step: Step, block: TimeBlock, beside?: ReadRecord): void {
  const { allDay = false, description = null, color = null, icon = null, ...rest } = block;
  step.insert(
    CREATES_BLOCK,
    {
      ...rest,
      allDay,
      isLive: false,
      timezone: null,
      recurrenceRule: null,
      linkedBlockId: null,
      description,
      color,
      icon,
      projectId: null,
    },
    beside,
  );
}
