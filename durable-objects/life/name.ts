/**
 * The name by which an object was made: the platform gives it in calls and in alarms, also in an
 * alarm that is repeated after a crash.
 * @throws Error for an object that was reached by a unique id; ours never are
 */
export function nameOf(id: DurableObjectId): string {
  if (id.name === undefined) throw new Error('this object has to be reached by its name');
  return id.name;
}
