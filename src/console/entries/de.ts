export { de } from '../words/de.ts';
