import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { followTheme } from '../src/theme.ts'
import { Admin } from './Admin.tsx'

followTheme()
const root = document.getElementById('root')
if (root === null) throw new Error('index.html has no #root')
createRoot(root).render(
  <StrictMode>
    <Admin />
  </StrictMode>,
)
