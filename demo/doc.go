// Package demo fills an empty database for a first look: three people, what they know, and what they have asked each
// other, some of it still waiting for an answer.
//
// Everything is written like the changes of real people: accounts through auth, the rest by each person through the
// rules and hooks of ent/schema. So there are events and notifications, too. All of it is one transaction: a database
// is filled completely or not at all.
//
// Non-goals: data for tests and measurements, and accounts that are safe on a public server. Their passwords
// are in this repository.
package demo
