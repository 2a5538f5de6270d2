/** The package exports the path of its binary and brings no types. */
declare module 'workerd' {
  const path: string;
  export default path;
}
