package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// journal is a transaction that records its calls. Groups use it one after another.
type journal struct {
	entries              []string
	beginErr, commitErrs error
}

func (j *journal) note(entry string) { j.entries = append(j.entries, entry) }

func (j *journal) begin() error {
	j.note("begin")
	return j.beginErr
}

func (j *journal) commit() error {
	j.note("commit")
	return j.commitErrs
}

func (j *journal) rollback() error {
	j.note("rollback")
	return nil
}

// together writes all bodies while the first one runs, so that they share its group. It returns their errors.
func together(j *journal, g *groups, bodies ...func() error) []error {
	var (
		errs    = make([]error, len(bodies))
		writers sync.WaitGroup
		release = make(chan struct{})
		waited  bool
	)
	for i, body := range bodies {
		writers.Go(func() {
			errs[i] = g.write(func() error {
				if i == 0 && !waited {
					waited = true
					<-release
				}
				j.note(fmt.Sprint("body ", i))
				return body()
			}, func() { j.note(fmt.Sprint("committed ", i)) })
		})
		synctest.Wait() // until it waits, so that the order is known
	}
	close(release)
	writers.Wait()
	return errs
}

func succeed() error { return nil }

var errTest = errors.New("a failure of the test")

func TestAWaitingWriterJoinsTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		errs := together(j, &groups{tx: j}, succeed, func() error { return errTest }, succeed)
		want := []string{"begin", "body 0", "body 1", "body 2", "commit", "committed 0", "committed 2"}
		if !slices.Equal(j.entries, want) {
			t.Errorf("ran %q, want %q", j.entries, want)
		}
		if !slices.Equal(errs, []error{nil, errTest, nil}) {
			t.Errorf("errors %v: want that of the second alone", errs)
		}
	})
}

func TestAFailureAfterAWriteCostsNobodyElse(t *testing.T) {
	for name, body := range map[string]func() error{
		"an error": func() error { return dirtyError{errTest} },
		"a panic":  func() error { panic("of the test") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := &journal{}
				errs := together(j, &groups{tx: j}, succeed, body, succeed)
				want := []string{
					"begin", "body 0", "body 1", "rollback", "begin", "body 0", "commit", "begin", "body 2", "commit", "committed 0", "committed 2",
				}
				if !slices.Equal(j.entries, want) {
					t.Errorf("ran %q, want %q", j.entries, want)
				}
				if errs[0] != nil || errs[1] == nil || errs[2] != nil {
					t.Errorf("errors %v: want that of the second alone", errs)
				}
			})
		})
	}
}

func TestAFailedCommitFailsTheWholeGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{commitErrs: errTest}
		errs := together(j, &groups{tx: j}, succeed, succeed)
		if want := []string{"begin", "body 0", "body 1", "commit", "rollback"}; !slices.Equal(j.entries, want) {
			t.Errorf("ran %q, want %q", j.entries, want)
		}
		for i, err := range errs {
			if !errors.Is(err, errTest) {
				t.Errorf("member %d got error %v, want %v", i, err, errTest)
			}
		}
	})
}

func TestAFailedBeginFailsAllWaitingWriters(t *testing.T) {
	j := &journal{beginErr: errTest}
	g := &groups{tx: j}
	if err := g.write(succeed, func() { t.Error("committed") }); !errors.Is(err, errTest) {
		t.Errorf("got error %v, want %v", err, errTest)
	}
	j.beginErr = nil
	if err := g.write(succeed, func() {}); err != nil {
		t.Errorf("the next group: got error %v", err)
	}
}

func TestAGroupHasAtMostSoManyMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		together(j, &groups{tx: j}, slices.Repeat([]func() error{succeed}, maxGroup+2)...)
		commits := 0
		for i, entry := range j.entries {
			if entry == "commit" {
				commits++
				if commits == 1 && i != maxGroup+1 {
					t.Errorf("the first group has %d members, want %d", i-1, maxGroup)
				}
			}
		}
		if commits != 2 {
			t.Errorf("%d groups, want 2", commits)
		}
	})
}
