// Package auth finds out which person sends a request. It keeps accounts and sessions, reads the session of each
// request, and puts the viewer into the context, where the privacy rules of ent/schema find it.
//
// A session is 32 random bytes. Its holder has them in the HttpOnly cookie Installation.Cookie or as a bearer token;
// the database has only their SHA-256. A session ends after SessionLifetime, or earlier if its row gets an end or is
// deleted. If a request shows both a bearer token and a cookie, only the bearer token counts.
//
// A session that was read is kept in memory for three seconds. A change by this process is seen at once, a change of
// the table by another program up to three seconds later. The row is kept for KeepEnded after the end, so that
// EndedFrom can return its holder.
//
// Passwords are kept as argon2id. An unknown e-mail address costs the same time as a wrong password and gets the same
// answer. Attempts are limited per client address, and per account and address together. They are never limited per
// account alone, because then a stranger could lock anybody out.
//
// Everything here may be called concurrently.
//
// Non-goals: who may see which object (ent/schema) or join which channel (bridge), resetting passwords, verifying
// addresses.
package auth
