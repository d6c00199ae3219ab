import classes from './Logo.module.css'

/** Logo is the picture of the bridge with the name. */
export function Logo() {
  return (
    <span className={classes.logo}>
      <svg viewBox="0 0 32 32" width="30" height="30" aria-hidden>
        <rect width="32" height="32" rx="8" className={classes.ground} />
        <path d="M5 21.5c3.5 0 5-9 11-9s7.5 9 11 9M9.5 19v4.5M16 12.5v11M22.5 19v4.5M5 23.5h22" className={classes.line} />
      </svg>
      Lorebridge
    </span>
  )
}
