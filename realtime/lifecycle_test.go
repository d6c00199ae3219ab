package realtime_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/ent/storedsubscription"
)

// pusherSetups are the ways to reach Pusher, for startServer.
var pusherSetups = map[string]func(*options){
	"embedded":                 func(*options) {},
	"encrypted":                func(p *options) { p.pusher.MasterKey = masterKey },
	"elsewhere":                func(p *options) { p.elsewhere = true },
	"elsewhere, with webhooks": func(p *options) { p.elsewhere, p.webhooks = true, true },
}

// leave disconnects the client of a channel. The embedded server reports when it last heard of the client.
func (q *quietServer) leave(channel string, heard time.Time) {
	q.away(channel)
	q.subscriptions.Changed(bridge.Change{Channel: channel, Heard: heard})
	synctest.Wait()
}

// away disconnects the client of a channel, and nothing reports it.
func (q *quietServer) away(channel string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.joined, channel)
}

// back connects the client of a channel anew, and nothing reports it.
func (q *quietServer) back(channel string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.joined[channel] = struct{}{}
}

// may reports whether a person is granted a channel.
func (q *quietServer) may(p person, channel string) bool {
	q.t.Helper()
	err := q.subscriptions.Authorize(q.t.Context(), channel, p.known(), bridge.ProtocolGraphqlRuby)
	if err != nil && !errors.Is(err, bridge.ErrForbidden) {
		q.t.Fatal(err)
	}
	return err == nil
}

// receivesEnd fails the test unless a person is granted a channel, and is sent only the end there after the join.
func (q *quietServer) receivesEnd(p person, channel string) {
	q.t.Helper()
	q.newCalls()
	if !q.may(p, channel) {
		q.t.Error("the authorization is rejected")
		return
	}
	q.receives(channel)
	q.back(channel)
	q.subscriptions.Changed(bridge.Change{Channel: channel, Joined: true, Listeners: 1, Heard: time.Now()})
	q.publish(q.author(), "for others", "")
	q.wait(6 * time.Second) // meanwhile a remote Pusher is polled
	q.receives(channel, "end")
}

// author returns a person who publishes.
func (q *quietServer) author() person {
	q.t.Helper()
	return q.person(fmt.Sprintf("Author%d", q.begun))
}

// received returns the titles of the events on a channel since the last newCalls.
func (q *quietServer) received(channel string) []string {
	q.t.Helper()
	return titles(q.t, sentTo(q.newCalls(), channel))
}

// receives fails the test unless exactly these events were sent on a channel.
func (q *quietServer) receives(channel string, want ...string) {
	q.t.Helper()
	if got := q.received(channel); !slices.Equal(got, want) {
		q.t.Errorf("got %v, want %v", got, want)
	}
}

// over fails the test unless a subscription has ended for this reason, also in the database.
func (q *quietServer) over(channel, reason string) {
	q.t.Helper()
	row := q.row(channel)
	if row.State != storedsubscription.StateClosed || row.ClosedAt == nil || row.ClosedReason == nil || !strings.Contains(*row.ClosedReason, reason) {
		q.t.Errorf("got %v, want it ended because %s", row, reason)
	}
}

// open fails the test unless a subscription is open in this state.
func (q *quietServer) open(channel string, state storedsubscription.State) {
	q.t.Helper()
	if row := q.row(channel); row.State != state || row.ClosedAt != nil {
		q.t.Errorf("got %v, want %s", row, state)
	}
}

func TestASubscriptionSendsEventsToEachClientThatJoins(t *testing.T) {
	t.Parallel()
	for name, change := range pusherSetups {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, change)
			ada, grace := s.person("Ada"), s.person("Grace")
			l := s.listen(ada, s.subscribe(ada, title))
			s.publish(grace, "compilers")
			s.publish(grace, "parsers")
			l.receives("compilers", "parsers")
		})
	}
}

func TestPoint23AClientThatNeverJoinsDoesNotKeepItsPlace(t *testing.T) {
	t.Parallel()
	for name, authorized := range map[string]bool{"authorized": true, "not even authorized": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t)
				ada := q.person("Ada")
				channel := q.subscribe(ada, title)
				if authorized && !q.may(ada, channel) {
					t.Fatal("the authorization is rejected")
				}
				q.wait(58 * time.Second)
				if open := q.subscriptions.Stats().Open; open != 1 {
					t.Fatalf("%d are open before their time is over", open)
				}
				q.wait(4 * time.Second)
				q.open(channel, storedsubscription.StateAway)
				if open := q.subscriptions.Stats().Open; open != 0 {
					t.Errorf("%d are open", open)
				}
				q.receives(channel)
				q.publish(ada, "compilers", "")
				q.join(ada, channel, "")
				q.receives(channel, "compilers")
			})
		})
	}
}

func TestPoint23AClientThatLeavesHasTheGraceToComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.leave(channel, time.Now())
		q.wait(58 * time.Second)
		q.join(ada, channel, bridge.ProtocolGraphqlRuby)
		q.open(channel, storedsubscription.StateLive)
		q.leave(channel, time.Now())
		q.open(channel, storedsubscription.StateVacated)
		q.wait(56 * time.Second)
		q.open(channel, storedsubscription.StateAway)
		q.receives(channel)
	})
}

func TestASubscriptionWhoseClientListensLivesUpToItsGreatestAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, func(p *quietOptions) { p.subscriptions.Lifetime = 5 * time.Hour })
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.wait(5*time.Hour - time.Minute)
		q.open(channel, storedsubscription.StateLive)
		q.wait(time.Minute)
		q.over(channel, "greatest age")
		q.receives(channel, "end")
	})
}

func TestTheSubscriptionsOfASessionEndWithIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(q *quietServer, p person)
		wait time.Duration
	}{
		"signed out":     {func(q *quietServer, p person) { q.sessions.EndSession(p.session, auth.SignedOut) }, 0},
		"expired":        {func(*quietServer, person) {}, time.Hour},
		"deleted":        {func(q *quietServer, p person) { must(q.t, q.client.Session.DeleteOneID(p.session).Exec(q.system())) }, 3 * time.Second},
		"with its owner": {func(q *quietServer, p person) { must(q.t, q.client.User.DeleteOneID(p.id).Exec(q.system())) }, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t, func(p *quietOptions) { p.sessions = time.Hour })
				ada, grace := q.person("Ada"), q.person("Grace")
				channel, pending, others := q.subscribeAndJoin(ada, title), q.subscribe(ada, title), q.subscribeAndJoin(grace, title)
				another := q.subscribeAndJoin(q.session(ada), selection(1))
				test.end(q, ada)
				q.wait(test.wait)
				calls := q.newCalls()
				if got := titles(t, sentTo(calls, channel)); !slices.Equal(got, []string{"end"}) {
					t.Errorf("got %v, want the end", got)
				}
				if name == "with its owner" {
					if q.may(ada, channel) {
						t.Error("the channel can still be joined")
					}
					if open := q.subscriptions.Stats().Open; open != 1 {
						t.Errorf("%d are open, want the other person's", open)
					}
					return
				}
				q.over(channel, "session")
				q.over(pending, "session")
				q.receivesEnd(q.session(ada), channel)
				q.receivesEnd(q.session(ada), pending)
				if name == "expired" {
					return
				}
				q.open(others, storedsubscription.StateLive)
				q.open(another, storedsubscription.StateLive)
			})
		})
	}
}

func TestAnEndIsWrittenBeforeItIsConfirmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		id := q.idOf(channel)
		must(t, q.subscriptions.End(t.Context(), id, "by an administrator"))
		row, err := q.client.StoredSubscription.Get(q.system(), id)
		must(t, err)
		if row.State != storedsubscription.StateClosed || *row.ClosedReason != "by an administrator" {
			t.Errorf("its row: %v", row)
		}
		q.receives(channel, "end")
		if err := q.subscriptions.End(t.Context(), id, "again"); !errors.Is(err, bridge.ErrNotFound) {
			t.Errorf("once more: %v", err)
		}
		q.receivesEnd(ada, channel)
	})
}

func TestAnEndedSubscriptionStaysEndedIfAClientJoinsAtThatMoment(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	ada := s.person("Ada")
	channels := make([]string, 40)
	var at sync.WaitGroup
	for i := range channels {
		channels[i] = s.subscribe(ada, title)
		id := s.row(channels[i]).ID
		at.Go(func() { s.execute(ada, "{ __typename }", nil); s.authorize(ada, "1.1", channels[i]) })
		at.Go(func() {
			if err := s.subscriptions.Authorize(s.t.Context(), channels[i], ada.known(), bridge.ProtocolGraphqlRuby); err != nil && !errors.Is(err, bridge.ErrForbidden) {
				t.Error(err)
			}
		})
		at.Go(func() {
			if err := s.subscriptions.End(s.t.Context(), id, "ended"); err != nil {
				t.Error(err)
			}
		})
	}
	at.Wait()
	for _, channel := range channels {
		if row := s.row(channel); row.State != storedsubscription.StateClosed {
			t.Errorf("a subscription is %s after its end", row.State)
		}
	}
}

func TestPoint23APersonHasSoManyAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, func(p *quietOptions) { p.subscriptions.PerPerson = 2 })
		ada, grace := q.person("Ada"), q.person("Grace")
		first, second := q.subscribeAndJoin(ada, title), q.subscribe(ada, title)
		rejected := q.execute(ada, title, nil)
		if rejected.code() != "RATE_LIMITED" || rejected.channel() != "" {
			t.Errorf("the third one: %s", rejected.body)
		}
		q.subscribe(grace, title)
		for _, named := range []string{"2 subscriptions and streams at a time", "SUBSCRIPTIONS_PER_PERSON", "60 seconds"} {
			if !strings.Contains(rejected.Errors[0].Message, named) {
				t.Errorf("the third one: %q does not name %q", rejected.Errors[0].Message, named)
			}
		}
		q.wait(61 * time.Second) // the second one has no client, so it ends
		q.open(second, storedsubscription.StateAway)
		q.subscribe(ada, title)
		must(t, q.subscriptions.End(t.Context(), q.idOf(first), "ended"))
		q.subscribe(ada, title)
		if rejected := q.execute(ada, title, nil); rejected.code() != "RATE_LIMITED" {
			t.Errorf("another third one: %s", rejected.body)
		}
	})
}

func TestPoint8AChannelIsGrantedToItsSubscriberAlone(t *testing.T) {
	t.Parallel()
	s := startServer(t, func(p *options) { p.elsewhere = true }) // on which the server cannot check sockets
	ada, grace := s.person("Ada"), s.person("Grace")
	channel, closed := s.subscribe(ada, title), s.subscribe(ada, title)
	must(t, s.subscriptions.End(t.Context(), s.row(closed).ID, "ended"))
	encoded := func(socketID, channel string) string { return "socket_id=" + socketID + "&channel_name=" + channel }
	granted := fmt.Sprintf(`{"auth":%q}`, signed("12.34", channel))
	for name, test := range map[string]struct {
		who                     person
		path, contentType, body string
		status                  int
		want                    string // a text in the answer
	}{
		"a form":                   {ada, "/pusher/auth", form, encoded("12.34", channel), 200, granted},
		"JSON":                     {ada, "/pusher/auth", "application/json", fmt.Sprintf(`{"socket_id":"12.34","channel_name":%q}`, channel), 200, granted},
		"where Lighthouse asks":    {ada, "/graphql/subscriptions/auth", form, encoded("12.34", channel), 200, granted},
		"as Echo asks":             {ada, "/graphql/subscriptions/auth", form, encoded("12.34", "presence-"+channel), 200, granted},
		"another session of hers":  {s.session(ada, time.Hour), "/pusher/auth", form, encoded("12.34", channel), 200, granted},
		"somebody else":            {grace, "/pusher/auth", form, encoded("12.34", channel), 403, "not yours"},
		"nobody":                   {nobody, "/pusher/auth", form, encoded("12.34", channel), 401, "sign in"},
		"one that has ended":       {ada, "/pusher/auth", form, encoded("12.34", closed), 200, signed("12.34", closed)},
		"another's that has ended": {grace, "/pusher/auth", form, encoded("12.34", closed), 403, "not yours"},
		"one that never was":       {ada, "/pusher/auth", form, encoded("12.34", "private-gql-aaaaaaaaaaaaaaaaaaaaaaaaaa"), 403, "not yours"},
		"its encrypted twin":       {ada, "/pusher/auth", form, encoded("12.34", strings.Replace(channel, "private-", "private-encrypted-", 1)), 403, "not yours"},
		"two prefixes":             {ada, "/pusher/auth", form, encoded("12.34", "presence-presence-"+channel), 403, "not yours"},
		"another's socket in it":   {ada, "/pusher/auth", form, encoded("12.34:private-user-1", channel), 403, "socket_id"},
		"a socket of words":        {ada, "/pusher/auth", form, encoded("a.b", channel), 403, "socket_id"},
		"no socket":                {ada, "/pusher/auth", form, encoded("", channel), 403, "socket_id"},
		"a socket with a new line": {ada, "/pusher/auth", form, encoded("12.34%0A", channel), 403, "socket_id"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.send(test.who, http.MethodPost, test.path, test.body, "Content-Type", test.contentType)
			if got.status != test.status || !strings.Contains(got.body, test.want) {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, test.status, test.want)
			}
		})
	}
	l := s.listen(ada, channel) // the subscription has not ended
	s.publish(grace, "compilers")
	l.receives("compilers")
}

// Perhaps nobody hands the reports of the embedded server on, or one was lost.
func TestAJoinThatTheEmbeddedServerDoesNotReportIsFoundOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada := q.person("Ada")
		channel, absent := q.subscribe(ada, title), q.subscribe(ada, title)
		for _, one := range []string{channel, absent} {
			must(t, q.subscriptions.Authorize(t.Context(), one, ada.known(), bridge.ProtocolGraphqlRuby))
		}
		q.mu.Lock()
		q.joined[channel] = struct{}{}
		q.mu.Unlock()
		q.publish(ada, "compilers", "")
		q.wait(9 * time.Second)
		if got := q.newCalls(); len(got) > 0 {
			t.Errorf("sent %v before it was asked who is there", got)
		}
		q.wait(2 * time.Second)
		calls := q.newCalls()
		if got := titles(t, sentTo(calls, channel)); !slices.Equal(got, []string{"compilers"}) {
			t.Errorf("got %v", got)
		}
		if got := sentTo(calls, absent); len(got) > 0 {
			t.Errorf("where nobody is: %v", got)
		}
		q.open(absent, storedsubscription.StateJoining)
		q.wait(time.Minute)
		q.open(absent, storedsubscription.StateAway)
	})
}
