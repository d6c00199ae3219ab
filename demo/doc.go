// Package demo fills an empty database for a first look: three people, what they know, and what they have asked each
// other, some of it still waiting for an answer.
//
// Everything goes the way that people's own changes go: accounts through auth, the rest by each person through the
// rules and hooks of ent/schema, so that the events are there, too, and notifications with them. All of it is one
// transaction: a database is filled or as it was.
//
// Non-goals: data for tests and measurements, and accounts that are safe to leave in reach of strangers. Their
// passwords are in this repository.
package demo
