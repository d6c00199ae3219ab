//go:build tools

// Package main pins the generators: the build leaves this file out, go.mod keeps what it names.
package main

import (
	_ "ariga.io/atlas/sql/migrate"
	_ "entgo.io/contrib/entgql"
	_ "entgo.io/ent/entc"
	_ "github.com/99designs/gqlgen"
)
