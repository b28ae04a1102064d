import { useStore } from '../hooks/use-store.ts'
import { chooseTheme, type Theme, theme, themes } from '../theme.ts'
import { Icon, type IconName } from './Icon.tsx'

const icons: Record<Theme, IconName> = { system: 'screen', light: 'sun', dark: 'moon' }
const labels: Record<Theme, string> = { system: 'Like the system', light: 'Light', dark: 'Dark' }

/** Radio buttons, so that arrow keys and screen readers know what to do. */
export function ThemeChoice() {
  const chosen = useStore(theme)
  return (
    <fieldset className="theme-choice">
      <legend className="visually-hidden">Colours</legend>
      {themes.map((name) => (
        <label key={name} data-tooltip={labels[name]}>
          <input type="radio" name="theme" checked={chosen === name} onChange={() => chooseTheme(name)} />
          <Icon name={icons[name]} size={16} />
          <span className="visually-hidden">{labels[name]}</span>
        </label>
      ))}
    </fieldset>
  )
}
