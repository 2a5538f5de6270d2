/** Names of the app `ai` in the log. The grant module, which stands alone, defines the first. */
export { MISSIONS_TABLE } from '../grants/names.ts';

export const AGENTS_TABLE = 'agents';
export const AI_APP = 'ai';
