// Package auth answers who is asking: it keeps accounts and sessions, reads the session of each request, and holds
// the viewer in the context, where the privacy rules of ent/schema find it.
//
// A session is 32 random bytes that only its holder knows, as the HttpOnly cookie CookieName or as a bearer token;
// the database has their SHA-256. It ends after SessionLifetime, or when its row has an end or is deleted. A session
// that was read is kept in memory for three seconds. What this process does to sessions and people is seen at once,
// what another program does to the table up to three seconds later. Where a request shows both, the bearer token
// counts and the cookie does not. The row is kept for KeepEnded after the end, so that EndedFrom knows whose it was.
//
// Passwords are kept as argon2id. An unknown e-mail address costs the time of a wrong password and gets the same
// answer. Attempts are limited per client address and per account and address, never per account alone, or a
// stranger could lock anybody out.
//
// Everything here may be called concurrently.
//
// Non-goals: which object who may see (ent/schema), which channel (bridge), resetting passwords, verifying addresses.
package auth
