/** The planner reads arguments with it, and the planner knows nothing of this room. */
export { afterItem, type Literal, readLiteral, skipBlanks } from '../planner/literal.ts';
