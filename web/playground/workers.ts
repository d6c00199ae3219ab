import EditorWorker from 'monaco-editor/esm/vs/editor/editor.worker.js?worker'
import JsonWorker from 'monaco-editor/esm/vs/language/json/json.worker.js?worker'
import GraphQLWorker from 'monaco-graphql/esm/graphql.worker.js?worker'

// Like graphiql/setup-workers/vite, but without its console message for each worker.
self.MonacoEnvironment = {
  getWorker(_id: string, label: string): Worker {
    switch (label) {
      case 'graphql':
        return new GraphQLWorker()
      case 'json':
        return new JsonWorker()
      default:
        return new EditorWorker()
    }
  },
}
