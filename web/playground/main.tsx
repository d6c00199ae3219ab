import '@graphiql/react/style.css'
import '@graphiql/plugin-doc-explorer/style.css'
import '@graphiql/plugin-history/style.css'
import 'graphiql/graphiql.css'
import './playground.css'
import './workers'
import { createRoot } from 'react-dom/client'
import { Playground } from './Playground'

const root = document.getElementById('root')
if (!root) throw new Error('playground.html has no #root')
createRoot(root).render(<Playground />)
