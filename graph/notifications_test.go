package graph_test

import (
	"strconv"
	"testing"
	"time"
)

func TestNotificationsAreMarkedOnceAndOnlyOnes(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	for _, test := range []struct{ input, want string }{
		{`ids: []`, `{markNotificationsRead:{marked:0,unreadCount:3}}`},
		{`ids: [$asked, $asked, $granted, 999999999]`, `{markNotificationsRead:{marked:1,unreadCount:2}}`},
		{`ids: [$asked]`, `{markNotificationsRead:{marked:0,unreadCount:2}}`},
		{`upTo: 1`, `{markNotificationsRead:{marked:0,unreadCount:2}}`},
		{`upTo: $asked1`, `{markNotificationsRead:{marked:1,unreadCount:1}}`},
		{`upTo: 9007199254740991`, `{markNotificationsRead:{marked:1,unreadCount:0}}`},
	} {
		if got := s.outcome(s.perform(s.owner, `mutation { markNotificationsRead(input: {`+test.input+`}) { marked unreadCount } }`)); got != test.want {
			t.Errorf("{%s}\n gets %s\n want %s", test.input, got, test.want)
		}
	}
	want := `{notifications:{totalCount:2,unreadCount:2}}`
	if got := s.outcome(s.perform(s.requester, `{ notifications { totalCount unreadCount } }`)); got != want {
		t.Errorf("the requester has %s, want %s", got, want)
	}
}

func TestWhatIsReadStaysInTheListButNotInTheUnreadOne(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	mark := func() {
		s.perform(s.owner, `mutation { markNotificationsRead(input: {ids: [$asked2]}) { marked } }`).into(&struct{}{})
	}
	mark()
	readAt := s.perform(s.owner, `{ node(id: $asked2) { ... on Notification { readAt } } }`).get("node", "readAt")
	if when, err := time.Parse("2006-01-02T15:04:05.000Z", readAt); err != nil || time.Since(when) > time.Minute || time.Since(when) < 0 {
		t.Errorf("read at %s", readAt)
	}
	mark()
	if again := s.perform(s.owner, `{ node(id: $asked2) { ... on Notification { readAt } } }`).get("node", "readAt"); again != readAt {
		t.Errorf("marking again moved %s to %s", readAt, again)
	}
	for list, want := range map[string]string{
		`notifications`:                    `{notifications:{totalCount:3,unreadCount:2,edges:[{node:{id:$asked}},{node:{id:$asked2}},{node:{id:$asked1}}]}}`,
		`notifications(unreadOnly: true)`:  `{notifications:{totalCount:2,unreadCount:2,edges:[{node:{id:$asked}},{node:{id:$asked1}}]}}`,
		`notifications(unreadOnly: false)`: `{notifications:{totalCount:3,unreadCount:2,edges:[{node:{id:$asked}},{node:{id:$asked2}},{node:{id:$asked1}}]}}`,
	} {
		if got := s.outcome(s.perform(s.owner, `{ `+list+` { totalCount unreadCount edges { node { id } } } }`)); got != want {
			t.Errorf("%s\n gets %s\n want %s", list, got, want)
		}
	}
}

func TestMarkingTakesAHundredIds(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	before := s.rows()
	ids := make([]string, 101)
	for i := range ids {
		ids[i] = strconv.Itoa(s.ids["asked"] + i)
	}
	const mark = `mutation($ids: [ID!]!) { markNotificationsRead(input: {ids: $ids}) { marked } }`
	s.ask(s.owner, mark, map[string]any{"ids": ids}).rejected("BAD_USER_INPUT:ids")
	if s.rows() != before {
		t.Error("something is written")
	}
	if got := s.ask(s.owner, mark, map[string]any{"ids": ids[:100]}).get("markNotificationsRead", "marked"); got != "1" {
		t.Errorf("of a hundred ids %s are marked", got)
	}
}
