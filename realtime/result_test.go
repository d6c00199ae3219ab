package realtime_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/session"
	"lorebridge/rule"
)

func TestAResultCanBeReadByItsSubscriberAlone(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	ada, grace := s.person("Ada"), s.person("Grace")
	channel, ended := s.subscribe(ada, title), s.subscribe(ada, title)
	others := s.subscribe(grace, `subscription { knowledgeRequestReceived { question } }`)
	l := s.listen(ada, channel)
	o := s.listen(grace, others)
	s.publish(grace, "compilers")
	_, seq := l.receive("title")
	s.ask(ada, grace, "How?")
	_, theirs := o.receive("question")
	must(t, s.subscriptions.End(t.Context(), s.row(ended).ID, "ended"))
	for name, test := range map[string]struct {
		who         person
		method      string
		channel     string
		seq, status any
		want        string
	}{
		"her own":                      {ada, "GET", channel, seq, 200, `"title":"compilers"`},
		"with another session of hers": {s.session(ada, 1e12), "GET", channel, seq, 200, fmt.Sprintf(`"seq":%d`, seq)},
		"another's":                    {grace, "GET", channel, seq, 404, "no such result"},
		"nobody's":                     {nobody, "GET", channel, seq, 401, "sign in"},
		"of one that has ended":        {ada, "GET", ended, seq, 404, "no such result"},
		"of a channel that is not":     {ada, "GET", "private-gql-x", seq, 404, "no such result"},
		"of no channel":                {ada, "GET", "", seq, 404, "no such result"},
		"of an event on another topic": {ada, "GET", channel, theirs, 404, "no such result"},
		"of an event that is not":      {ada, "GET", channel, seq + 1_000_000, 404, "no such result"},
		"of a negative event":          {ada, "GET", channel, -1, 404, "no such result"},
		"of no number":                 {ada, "GET", channel, "x", 400, "seq must be a number"},
		"of a number beyond all":       {ada, "GET", channel, "99999999999999999999", 400, "seq must be a number"},
		"with POST":                    {ada, "POST", channel, seq, 405, "use GET"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.send(test.who, test.method, fmt.Sprintf("/graphql/subscriptions/result?channel=%s&seq=%v", test.channel, test.seq), "")
			if got.status != test.status || !strings.Contains(got.body, test.want) {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, test.status, test.want)
			}
			if got.header.Get("Cache-Control") != "no-store" {
				t.Error("the answer may be stored")
			}
		})
	}
}

func TestAResultIsRunWithTheRightsOfNow(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	ada, grace := s.person("Ada"), s.person("Grace")
	channel := s.subscribe(ada, `subscription { knowledgePublished { title content } }`)
	l := s.listen(ada, channel)
	id := s.publish(grace, "compilers")
	u := l.update()
	if strings.Contains(u.Raw, "all of it") {
		t.Fatalf("got %s", u.Raw)
	}
	path := fmt.Sprintf("/graphql/subscriptions/result?channel=%s&seq=%d", channel, u.Result.Extensions.Subscription.Seq)
	s.execute(grace, `mutation ($id: ID!) { deleteKnowledge(input: {id: $id}) { deletedId } }`, map[string]any{"id": id})
	if got := s.send(ada, http.MethodGet, path, ""); got.status != http.StatusNotFound {
		t.Errorf("of a deleted item: got %d %s", got.status, got.body)
	}
}

// If the session cannot be read, no channel is granted and no result returned. The answer has the time of the next
// attempt.
func TestADatabaseThatPassesIsA503AtEveryDoor(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	s := startServer(t, func(p *options) {
		p.client = func(client *ent.Client) {
			client.Session.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
				return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
					if down.Load() {
						return nil, &rule.UnavailableError{RetryAfter: 2 * time.Second, Reason: "full", Err: errors.New("/secret/path")}
					}
					return next.Query(ctx, q)
				})
			}))
		}
	})
	ada := s.person("Ada")
	channel := s.subscribe(ada, title)
	for _, test := range []struct{ method, path, body string }{
		{"POST", "/pusher/auth", "socket_id=1.2&channel_name=" + channel},
		{"POST", "/graphql/subscriptions/auth", "socket_id=1.2&channel_name=" + channel},
		{"GET", "/graphql/subscriptions/result?seq=1&channel=" + channel, ""},
	} {
		down.Store(true)
		must(t, s.client.Session.Update().Where(session.ID(0)).ClearEndedAt().Exec(auth.AsSystem(t.Context()))) // empties the cache of sessions
		got := s.send(ada, test.method, test.path, test.body, "Content-Type", "application/x-www-form-urlencoded")
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "2" || strings.Contains(got.body, "secret") ||
			!strings.Contains(got.body, "try again in 2 seconds") {
			t.Errorf("%s answers %d, Retry-After %q, %s", test.path, got.status, got.header.Get("Retry-After"), got.body)
		}
		down.Store(false)
		if got := s.send(ada, test.method, test.path, test.body, "Content-Type", "application/x-www-form-urlencoded"); got.status == http.StatusServiceUnavailable {
			t.Errorf("%s goes on answering %s", test.path, got.body)
		}
	}
}
