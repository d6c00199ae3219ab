package bridge

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
)

// broadcastable is the directive of the schema on fields that look the same to everybody signed in.
const broadcastable = "broadcastable"

// groupKey is what subscriptions have in common that can share one execution: the topic, the selection with its
// variables, and, unless every selected field looks the same to everybody, the person.
type groupKey struct {
	topic       Topic
	fingerprint [sha256.Size]byte
	user        string // empty: anybody
	shared      bool   // by several users, and so each member is asked for
}

// group is the subscriptions that share one execution per event. Its events are delivered one after the other.
// Guarded by registry.mu.
type group struct {
	key       groupKey
	operation operation
	members   map[*subscription]struct{}
	queue     []*publication // the first one waits for a worker or has one, or waits for its answer

	// sent are the last events that went out, the oldest first; forgotten is the newest one before them.
	sent      []stamp
	forgotten Seq
}

// keepSent is how many stamps a group keeps: as many events as a client can catch up with, and then some.
const keepSent = 64

// user is whose subscriptions these are, or empty if they are several users'.
func (g *group) user() string {
	if !g.key.shared && g.key.user == "" {
		return strangers
	}
	only := g.key.user
	for sub := range g.members {
		switch {
		case only == "":
			only = sub.viewer.User
		case only != sub.viewer.User:
			return ""
		}
	}
	return only
}

// remember notes that an event went out.
func (g *group) remember(place Seq, at time.Time) {
	g.sent = append(g.sent, stamp{place, at})
	if len(g.sent) > keepSent {
		g.forgotten = max(g.forgotten, g.sent[0].place)
		g.sent = g.sent[1:]
	}
}

// sentBy is the last event that went out by a moment.
func (g *group) sentBy(to time.Time) Seq {
	last := g.forgotten
	for _, sent := range g.sent {
		if !sent.at.After(to) {
			last = max(last, sent.place)
		}
	}
	return last
}

// keyOf returns the group of an operation. The name of the operation does not count, nor do blanks and comments. Only
// one that is guarded by an Allow can be shared by several users.
func keyOf(t Topic, user string, guarded bool, oc *graphql.OperationContext) (groupKey, error) {
	nameless := *oc.Operation
	nameless.Name = ""
	fragments := ast.FragmentDefinitionList{}
	used := make(map[string]bool)
	shared := collect(nameless.SelectionSet, used)
	for _, fragment := range oc.Doc.Fragments {
		if used[fragment.Name] {
			fragments = append(fragments, fragment)
		}
	}
	var text strings.Builder
	formatter.NewFormatter(&text, formatter.WithCompacted()).FormatQueryDocument(&ast.QueryDocument{
		Operations: ast.OperationList{&nameless}, Fragments: fragments,
	})
	variables, err := json.Marshal(oc.Variables) // sorted by their names
	if err != nil {
		return groupKey{}, err
	}
	key := groupKey{topic: t, fingerprint: sha256.Sum256(append([]byte(text.String()+"\x00"), variables...))}
	if key.shared = shared && guarded; !key.shared {
		key.user = user
	}
	return key, nil
}

// collect notes the fragments that a selection uses, and reports whether all its fields are broadcastable.
func collect(set ast.SelectionSet, used map[string]bool) bool {
	shared := true
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			if s.Name != "__typename" && (s.Definition == nil || s.Definition.Directives.ForName(broadcastable) == nil) {
				shared = false
			}
			shared = collect(s.SelectionSet, used) && shared
		case *ast.InlineFragment:
			shared = collect(s.SelectionSet, used) && shared
		case *ast.FragmentSpread:
			if !used[s.Name] { // that none contains itself has been validated
				used[s.Name] = true
				shared = collect(s.Definition.SelectionSet, used) && shared
			}
		}
	}
	return shared
}
