export { verifyChain } from '../../audit/verify.ts';
