declare module 'signalsmith-stretch' {
  const createNode: unknown
  export default createNode
}
