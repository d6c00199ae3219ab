package bridge

import (
	"context"
	"time"
)

// Anonymous is the Identity of an application in which nobody signs in: everybody is the zero Viewer. Another Identity
// can embed it and replace some of its methods. It may be used concurrently.
type Anonymous struct{}

var _ Identity = Anonymous{}

// Viewer implements Identity. It returns the zero Viewer.
func (Anonymous) Viewer(context.Context) (Viewer, error) { return Viewer{}, nil }

// Former implements Identity. It reports false, because there are no sessions.
func (Anonymous) Former(context.Context) (Viewer, bool) { return Viewer{}, false }

// With implements Identity. It returns ctx.
func (Anonymous) With(ctx context.Context, _ Viewer) context.Context { return ctx }

// Holding implements Identity. No session holds, because there are none.
func (Anonymous) Holding(context.Context, []string) (map[string]time.Time, error) { return nil, nil }

// Unauthenticated implements Identity. It reports false, because nobody has to sign in.
func (Anonymous) Unauthenticated(error) bool { return false }
