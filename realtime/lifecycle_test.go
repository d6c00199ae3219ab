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

// houses are the ways to reach Pusher.
var houses = map[string]func(*plan){
	"embedded":                 func(*plan) {},
	"encrypted":                func(p *plan) { p.pusher.MasterKey = masterKey },
	"elsewhere":                func(p *plan) { p.elsewhere = true },
	"elsewhere, with webhooks": func(p *plan) { p.elsewhere, p.webhooks = true, true },
}

// leave has the client of a channel go: the embedded server tells when it was last heard of.
func (q *quiet) leave(channel string, heard time.Time) {
	q.away(channel)
	q.subscriptions.Changed(bridge.Change{Channel: channel, Heard: heard})
	synctest.Wait()
}

// away has the client of a channel go without a word.
func (q *quiet) away(channel string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.joined, channel)
}

// back has it listen again.
func (q *quiet) back(channel string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.joined[channel] = struct{}{}
}

// may says whether a person is granted a channel.
func (q *quiet) may(p person, channel string) bool {
	q.t.Helper()
	err := q.subscriptions.Authorize(q.t.Context(), channel, p.known(), bridge.ProtocolGraphqlRuby)
	if err != nil && !errors.Is(err, bridge.ErrForbidden) {
		q.t.Fatal(err)
	}
	return err == nil
}

// parts fails the test unless a person is granted a channel, and is sent the end there once it has joined, and
// nothing else.
func (q *quiet) parts(p person, channel string) {
	q.t.Helper()
	q.taken()
	if !q.may(p, channel) {
		q.t.Error("it is refused")
		return
	}
	q.gets(channel)
	q.back(channel)
	q.subscriptions.Changed(bridge.Change{Channel: channel, Joined: true, Listeners: 1, Heard: time.Now()})
	q.publish(q.author(), "for others", "")
	q.wait(6 * time.Second) // while which a Pusher elsewhere is asked
	q.gets(channel, "end")
}

// author is somebody who publishes.
func (q *quiet) author() person {
	q.t.Helper()
	return q.person(fmt.Sprintf("Author%d", q.begun))
}

// got is what a channel was sent since it was last asked for.
func (q *quiet) got(channel string) []string {
	q.t.Helper()
	return titles(q.t, mail(q.taken(), channel))
}

// gets fails the test unless a channel was sent just this.
func (q *quiet) gets(channel string, want ...string) {
	q.t.Helper()
	if got := q.got(channel); !slices.Equal(got, want) {
		q.t.Errorf("got %v, want %v", got, want)
	}
}

// over fails the test unless a subscription has ended for a reason, also in the database.
func (q *quiet) over(channel, reason string) {
	q.t.Helper()
	row := q.row(channel)
	if row.State != storedsubscription.StateClosed || row.ClosedAt == nil || row.ClosedReason == nil || !strings.Contains(*row.ClosedReason, reason) {
		q.t.Errorf("got %v, want it ended because %s", row, reason)
	}
}

// open fails the test unless a subscription goes on.
func (q *quiet) open(channel string, state storedsubscription.State) {
	q.t.Helper()
	if row := q.row(channel); row.State != state || row.ClosedAt != nil {
		q.t.Errorf("got %v, want %s", row, state)
	}
}

func TestASubscriptionTellsWhatHappensToWhoeverJoins(t *testing.T) {
	t.Parallel()
	for name, change := range houses {
		t.Run(name, func(t *testing.T) {
			h := build(t, change)
			ada, grace := h.person("Ada"), h.person("Grace")
			l := h.listen(ada, h.subscribe(ada, title))
			h.publish(grace, "compilers")
			h.publish(grace, "parsers")
			l.tells("compilers", "parsers")
		})
	}
}

func TestPoint23WhoeverNeverJoinsDoesNotKeepItsPlace(t *testing.T) {
	t.Parallel()
	for name, authorized := range map[string]bool{"authorized": true, "not even authorized": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuiet(t)
				ada := q.person("Ada")
				channel := q.subscribe(ada, title)
				if authorized && !q.may(ada, channel) {
					t.Fatal("refused")
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
				q.gets(channel)
				q.publish(ada, "compilers", "")
				q.join(ada, channel, "")
				q.gets(channel, "compilers")
			})
		})
	}
}

func TestPoint23WhoeverLeavesHasTheGraceToComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		ada := q.person("Ada")
		channel := q.attend(ada, title)
		q.leave(channel, time.Now())
		q.wait(58 * time.Second)
		q.join(ada, channel, bridge.ProtocolGraphqlRuby)
		q.open(channel, storedsubscription.StateLive)
		q.leave(channel, time.Now())
		q.open(channel, storedsubscription.StateVacated)
		q.wait(56 * time.Second)
		q.open(channel, storedsubscription.StateAway)
		q.gets(channel)
	})
}

func TestASubscriptionWhoseClientListensLivesUpToItsGreatestAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t, func(p *quietPlan) { p.subscriptions.Lifetime = 5 * time.Hour })
		ada := q.person("Ada")
		channel := q.attend(ada, title)
		q.wait(5*time.Hour - time.Minute)
		q.open(channel, storedsubscription.StateLive)
		q.wait(time.Minute)
		q.over(channel, "greatest age")
		q.gets(channel, "end")
	})
}

func TestTheSubscriptionsOfASessionEndWithIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(q *quiet, p person)
		wait time.Duration
	}{
		"signed out":     {func(q *quiet, p person) { q.sessions.EndSession(p.session, auth.SignedOut) }, 0},
		"expired":        {func(*quiet, person) {}, time.Hour},
		"deleted":        {func(q *quiet, p person) { must(q.t, q.client.Session.DeleteOneID(p.session).Exec(q.system())) }, 3 * time.Second},
		"with its owner": {func(q *quiet, p person) { must(q.t, q.client.User.DeleteOneID(p.id).Exec(q.system())) }, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuiet(t, func(p *quietPlan) { p.sessions = time.Hour })
				ada, grace := q.person("Ada"), q.person("Grace")
				channel, pending, others := q.attend(ada, title), q.subscribe(ada, title), q.attend(grace, title)
				another := q.attend(q.session(ada), selection(1))
				test.end(q, ada)
				q.wait(test.wait)
				calls := q.taken()
				if got := titles(t, mail(calls, channel)); !slices.Equal(got, []string{"end"}) {
					t.Errorf("got %v, want to be told the end", got)
				}
				if name == "with its owner" {
					if q.may(ada, channel) {
						t.Error("it can still be joined")
					}
					if open := q.subscriptions.Stats().Open; open != 1 {
						t.Errorf("%d are open, want the other person's", open)
					}
					return
				}
				q.over(channel, "session")
				q.over(pending, "session")
				q.parts(q.session(ada), channel)
				q.parts(q.session(ada), pending)
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
		q := newQuiet(t)
		ada := q.person("Ada")
		channel := q.attend(ada, title)
		id := q.idOf(channel)
		must(t, q.subscriptions.End(t.Context(), id, "an administrator said so"))
		row, err := q.client.StoredSubscription.Get(q.system(), id)
		must(t, err)
		if row.State != storedsubscription.StateClosed || *row.ClosedReason != "an administrator said so" {
			t.Errorf("its row: %v", row)
		}
		q.gets(channel, "end")
		if err := q.subscriptions.End(t.Context(), id, "again"); !errors.Is(err, bridge.ErrNotFound) {
			t.Errorf("once more: %v", err)
		}
		q.parts(ada, channel)
	})
}

func TestWhatHasEndedStaysEndedWhoeverJoinsAtThatMoment(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	channels := make([]string, 40)
	var at sync.WaitGroup
	for i := range channels {
		channels[i] = h.subscribe(ada, title)
		id := h.row(channels[i]).ID
		at.Go(func() { h.post(ada, "{ __typename }", nil); h.authorize(ada, "1.1", channels[i]) })
		at.Go(func() {
			if err := h.subscriptions.Authorize(h.t.Context(), channels[i], ada.known(), bridge.ProtocolGraphqlRuby); err != nil && !errors.Is(err, bridge.ErrForbidden) {
				t.Error(err)
			}
		})
		at.Go(func() {
			if err := h.subscriptions.End(h.t.Context(), id, "ended"); err != nil {
				t.Error(err)
			}
		})
	}
	at.Wait()
	for _, channel := range channels {
		if row := h.row(channel); row.State != storedsubscription.StateClosed {
			t.Errorf("it is %s again", row.State)
		}
	}
}

func TestPoint23APersonHasSoManyAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t, func(p *quietPlan) { p.subscriptions.PerPerson = 2 })
		ada, grace := q.person("Ada"), q.person("Grace")
		first, second := q.attend(ada, title), q.subscribe(ada, title)
		refused := q.post(ada, title, nil)
		if refused.code() != "RATE_LIMITED" || refused.channel() != "" {
			t.Errorf("the third one: %s", refused.body)
		}
		q.subscribe(grace, title)
		for _, named := range []string{"2 subscriptions and streams at a time", "SUBSCRIPTIONS_PER_PERSON", "60 seconds"} {
			if !strings.Contains(refused.Errors[0].Message, named) {
				t.Errorf("the third one: %q does not name %q", refused.Errors[0].Message, named)
			}
		}
		q.wait(61 * time.Second) // nobody joined the second one
		q.open(second, storedsubscription.StateAway)
		q.subscribe(ada, title)
		must(t, q.subscriptions.End(t.Context(), q.idOf(first), "ended"))
		q.subscribe(ada, title)
		if refused := q.post(ada, title, nil); refused.code() != "RATE_LIMITED" {
			t.Errorf("another third one: %s", refused.body)
		}
	})
}

func TestPoint8AChannelIsGrantedToItsSubscriberAlone(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) { p.elsewhere = true }) // which knows all sockets
	ada, grace := h.person("Ada"), h.person("Grace")
	channel, closed := h.subscribe(ada, title), h.subscribe(ada, title)
	must(t, h.subscriptions.End(t.Context(), h.row(closed).ID, "ended"))
	encoded := func(socketID, channel string) string { return "socket_id=" + socketID + "&channel_name=" + channel }
	granted := fmt.Sprintf(`{"auth":%q}`, signed("12.34", channel))
	for name, test := range map[string]struct {
		who                     person
		path, contentType, body string
		status                  int
		want                    string // in the answer
	}{
		"a form":                   {ada, "/pusher/auth", form, encoded("12.34", channel), 200, granted},
		"JSON":                     {ada, "/pusher/auth", "application/json", fmt.Sprintf(`{"socket_id":"12.34","channel_name":%q}`, channel), 200, granted},
		"where Lighthouse asks":    {ada, "/graphql/subscriptions/auth", form, encoded("12.34", channel), 200, granted},
		"as Echo asks":             {ada, "/graphql/subscriptions/auth", form, encoded("12.34", "presence-"+channel), 200, granted},
		"another session of hers":  {h.session(ada, time.Hour), "/pusher/auth", form, encoded("12.34", channel), 200, granted},
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
			got := h.send(test.who, http.MethodPost, test.path, test.body, "Content-Type", test.contentType)
			if got.status != test.status || !strings.Contains(got.body, test.want) {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, test.status, test.want)
			}
		})
	}
	l := h.listen(ada, channel) // none of this has ended it
	h.publish(grace, "compilers")
	l.tells("compilers")
}

// Perhaps nobody hands the reports of the embedded server on, or one was lost.
func TestAJoinThatTheEmbeddedServerDoesNotReportIsFoundOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
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
		if got := q.taken(); len(got) > 0 {
			t.Errorf("sent %v before it was asked who is there", got)
		}
		q.wait(2 * time.Second)
		calls := q.taken()
		if got := titles(t, mail(calls, channel)); !slices.Equal(got, []string{"compilers"}) {
			t.Errorf("got %v", got)
		}
		if got := mail(calls, absent); len(got) > 0 {
			t.Errorf("where nobody is: %v", got)
		}
		q.open(absent, storedsubscription.StateJoining)
		q.wait(time.Minute)
		q.open(absent, storedsubscription.StateAway)
	})
}
