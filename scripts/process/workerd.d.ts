/** A CommonJS package that exports the path of its binary and brings no types. */
declare module 'workerd' {
  const workerd: { default: string };
  export default workerd;
}
