export { freePort } from '../../../scripts/process/free-port.ts';
