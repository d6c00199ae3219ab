// Package ent is the memory: ent's generated client of the entities in ent/schema. Only ent/schema,
// ent/template and entc.go are written by hand.
package ent

//go:generate go run -mod=mod entc.go
