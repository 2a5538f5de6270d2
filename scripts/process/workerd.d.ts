/** A CommonJS package that exports the path of its binary and its version, and brings no types. */
declare module 'workerd' {
  const workerd: { default: string; version: string };
  export default workerd;
}
