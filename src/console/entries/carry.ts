export {
  carryOut,
  openReadRecord,
  readNeeds,
  sealWrites,
  shownWrites,
  toolFacts,
} from '../../carry-out/index.ts';
