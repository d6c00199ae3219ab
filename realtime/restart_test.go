package realtime_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/bridge"
	"lorebridge/ent/storedsubscription"
)

// restart stops the server, runs statements on its database, and starts it.
func (q *quietServer) restart(statements ...string) {
	q.t.Helper()
	q.stop()
	db, err := sql.Open("sqlite3", "file:"+q.path)
	must(q.t, err)
	for _, statement := range statements {
		_, err := db.ExecContext(q.t.Context(), statement)
		must(q.t, err)
	}
	must(q.t, db.Close())
	q.start()
}

// pause is a restart after some time without a server.
func (q *quietServer) pause(d time.Duration, statements ...string) {
	q.t.Helper()
	q.stop()
	q.wait(d)
	q.restart(statements...)
}

func TestPoint24ARestartKeepsSubscriptions(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQuietServer(t)
			ada := q.person("Ada")
			live, pending := q.subscribeAndJoin(ada, title), q.subscribe(ada, title)
			q.publish(ada, "compilers", "")
			q.wait(20 * time.Second)
			q.restart()
			q.open(live, storedsubscription.StateVacated)
			q.publish(ada, "parsers", "")
			q.wait(40 * time.Second)
			q.receives(live, "compilers") // its socket closed with the process
			q.join(ada, live, "")
			q.join(ada, pending, bridge.ProtocolGraphqlRuby)
			q.publish(ada, "linkers", "")
			calls := q.newCalls()
			if got, want := titles(t, sentTo(calls, live)), []string{"compilers", "parsers", "linkers"}; !slices.Equal(got, want) { // the first one is repeated, because it may not have arrived
				t.Errorf("the live one got %v, want %v", got, want)
			}
			if got, want := titles(t, sentTo(calls, pending)), []string{"compilers", "parsers", "linkers"}; !slices.Equal(got, want) {
				t.Errorf("the pending one got %v, want %v", got, want)
			}
		})
	})
	t.Run("embedded, of whoever was away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQuietServer(t)
			ada := q.person("Ada")
			channel := q.subscribeAndJoin(ada, title)
			q.wait(5 * time.Second)
			q.leave(channel, time.Now())
			q.publish(ada, "compilers", "") // it has no subscriber, so it is settled
			q.wait(5 * time.Second)
			q.restart()
			q.wait(30 * time.Second)
			q.join(ada, channel, "")
			q.receives(channel, "compilers")
		})
	})
	t.Run("embedded, and it does not come back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQuietServer(t)
			ada := q.person("Ada")
			channel := q.subscribeAndJoin(ada, title)
			q.restart()
			q.wait(62 * time.Second)
			q.open(channel, storedsubscription.StateAway)
		})
	})
	t.Run("elsewhere", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQuietServer(t, elsewhere)
			ada := q.person("Ada")
			live, joining := q.subscribeAndJoin(ada, title), q.subscribe(ada, title)
			q.wait(20 * time.Second)
			q.may(ada, joining)
			q.restart()
			q.publish(ada, "compilers", "")
			q.wait(10 * time.Second)
			calls := q.newCalls()
			for name, channel := range map[string]string{"live": live, "joining": joining} {
				if got, want := titles(t, sentTo(calls, channel)), []string{"compilers"}; !slices.Equal(got, want) {
					t.Errorf("the %s one got %v, want %v", name, got, want)
				}
				q.open(channel, storedsubscription.StateLive)
			}
		})
	})
}

func TestPoint24ACrashOnlyRepeats(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*options)
		stays  bool // whether the client's connection outlives the crash
	}{
		"embedded":  {pusherSetups["embedded"], false},
		"elsewhere": {pusherSetups["elsewhere"], true},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, test.change)
			ada, grace := s.person("Ada"), s.person("Grace")
			channel := s.subscribe(ada, title)
			l := s.listen(ada, channel)
			s.publish(grace, "compilers")
			l.receives("compilers")
			s.gate.on(func(*http.Request, []sent) (int, error) { return http.StatusServiceUnavailable, nil })
			s.publish(grace, "parsers") // while Pusher is down
			s.crash()                   // before any progress was stored
			s.start()
			if !test.stays {
				l = s.listen(ada, channel)
			}
			s.publish(grace, "linkers")
			var got []string
			for last := 0; !slices.Contains(got, "linkers"); {
				value, seq := l.receive("title")
				if seq <= last {
					t.Fatalf("got %q as number %d after %d", value, seq, last)
				}
				got, last = append(got, value), seq
			}
			if got[0] == "compilers" { // it is repeated
				got = got[1:]
			}
			if want := []string{"parsers", "linkers"}; !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// The last result counts as received only after some time.
func TestARestartLongAfterTheLastResultIsNoGap(t *testing.T) {
	t.Parallel()
	for offset := range 6 {
		t.Run(fmt.Sprint(offset), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t)
				ada := q.person("Ada")
				channel := q.subscribeAndJoin(ada, title)
				q.wait(time.Duration(offset)*time.Second + time.Second/2)
				q.publish(ada, "compilers", "")
				q.wait(5 * time.Minute)
				q.restart()
				q.receives(channel, "compilers")
				q.join(ada, channel, "")
				q.publish(ada, "parsers", "")
				q.receives(channel, "parsers")
			})
		})
	}
}

func TestPoint30ASubscriptionThatCannotGoOnEndsAtTheStartAndItsClientIsSentTheEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mend   []string
		reason string
	}{
		"a document that the schema no longer accepts": {
			[]string{`UPDATE subscribers SET document = 'subscription { knowledgeRetracted { title } }' WHERE id = (SELECT min(id) FROM subscribers)`},
			"the schema no longer accepts",
		},
		"a directive that is no longer served": {
			[]string{`UPDATE subscribers SET document = 'subscription { knowledgePublished { id ... @defer { title } } }' WHERE id = (SELECT min(id) FROM subscribers)`},
			"the schema no longer accepts",
		},
		"a variable that does not fit any more": {
			[]string{`UPDATE subscribers SET document = 'subscription($v: Boolean!) { knowledgePublished { title @include(if: $v) } }', variables = '{"v":"true"}'
				WHERE id = (SELECT min(id) FROM subscribers)`},
			"the schema no longer accepts",
		},
		"a document that cannot be read": {
			[]string{`UPDATE subscribers SET document = '{{{' WHERE id = (SELECT min(id) FROM subscribers)`},
			"the schema no longer accepts",
		},
		"a topic that cannot be read": {
			[]string{`UPDATE subscribers SET topic = 'weather recipient:none' WHERE id = (SELECT min(id) FROM subscribers)`},
			"read the topic",
		},
		"an empty topic": {
			[]string{`UPDATE subscribers SET topic = '' WHERE id = (SELECT min(id) FROM subscribers)`},
			"read the topic",
		},
		"a session that is gone": {
			[]string{`DELETE FROM sessions WHERE id = (SELECT session_id FROM subscribers ORDER BY id LIMIT 1)`},
			"session",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t, elsewhere)
				ada, grace := q.person("Ada"), q.person("Grace")
				broken, sound := q.subscribeAndJoin(ada, title), q.subscribeAndJoin(grace, title)
				q.wait(10 * time.Second)
				q.restart(test.mend...)
				q.wait(time.Second)
				q.publish(grace, "compilers", "")
				calls := q.newCalls()
				if got := titles(t, sentTo(calls, broken)); !slices.Equal(got, []string{"end"}) {
					t.Errorf("got %v, want the end", got)
				}
				if got := titles(t, sentTo(calls, sound)); !slices.Equal(got, []string{"compilers"}) {
					t.Errorf("the other one got %v", got)
				}
				q.over(broken, test.reason)
				q.open(sound, storedsubscription.StateLive)
				q.restart()
				q.wait(time.Second)
				q.receives(broken) // the end is sent once
				q.receivesEnd(ada, broken)
			})
		})
	}
}

func TestSubscriptionsEndWhereEncryptionIsTurnedOnOrOff(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][2]string{"on": {"", masterKey}, "off": {masterKey, ""}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t, func(p *quietOptions) { p.pusher.MasterKey = keys[0] })
				ada := q.person("Ada")
				channel := q.subscribeAndJoin(ada, title)
				q.options.pusher.MasterKey = keys[1]
				q.restart()
				q.wait(time.Second)
				if keys[1] != "" { // an encrypted event can no longer be sent
					q.receives(channel, "end")
				}
				q.over(channel, "encryption")
				if keys[1] != "" {
					q.receivesEnd(ada, channel)
				} else if q.may(ada, channel) {
					t.Error("a channel is granted on which nothing can be sent")
				}
			})
		})
	}
}

func TestVariablesOutliveARestart(t *testing.T) {
	t.Parallel()
	const document = `subscription ($id: ID!, $text: Boolean!) { knowledgeRequestChanged(id: $id) { status question @include(if: $text) } }`
	for name, number := range map[string]bool{"a number": true, "a string": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t, elsewhere)
				ada, grace := q.person("Ada"), q.person("Grace")
				request := q.ask(ada, grace, "How?")
				var id any = request
				if number {
					var n int
					_, err := fmt.Sscan(request, &n)
					must(t, err)
					id = n
				}
				a := q.execute(ada, document, map[string]any{"id": id, "text": true})
				channel := a.channel()
				q.join(ada, channel, bridge.ProtocolGraphqlRuby)
				q.wait(5 * time.Second)
				q.restart()
				q.respond(grace, request, "APPROVED")
				q.wait(time.Second)
				got := q.received(channel)
				slices.Sort(got)
				if !slices.Equal(got, []string{"APPROVED", "How?", "end"}) {
					t.Errorf("got %v", got)
				}
				q.over(channel, "nothing more will follow")
			})
		})
	}
}

func TestASubscriptionThatEndedLongAgoIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada := q.person("Ada")
		channel, stays := q.subscribeAndJoin(ada, title), q.subscribeAndJoin(ada, title)
		must(t, q.subscriptions.End(t.Context(), q.idOf(channel), "ended"))
		q.pause(24*time.Hour - time.Minute)
		must(t, q.subscriptions.RemoveClosed(t.Context()))
		q.over(channel, "ended")
		q.pause(2*time.Hour, `UPDATE sessions SET expires_at = '2000-02-01 00:00:00+00:00'`)
		must(t, q.subscriptions.RemoveClosed(t.Context()))
		if left := q.rows(); left != 1 {
			t.Errorf("%d are left, want %s", left, stays)
		}
	})
}

// The cursor of a subscription is ahead of the log if the log has lost events, for example after a restored backup.
func TestAClientThatIsAheadOfTheLogIsSentAGap(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]func(*quietOptions){"embedded": func(*quietOptions) {}, "elsewhere": elsewhere} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t, options)
				ada := q.person("Ada")
				there, away := q.subscribeAndJoin(ada, title), q.subscribeAndJoin(ada, title)
				q.publish(ada, "compilers", "")
				q.wait(time.Second)
				q.leave(away, time.Now())
				q.wait(3 * time.Minute)
				q.open(away, storedsubscription.StateAway)
				q.newCalls()
				q.restart("UPDATE subscribers SET cursor = 1 << 40")
				q.join(ada, away, "")
				if name == "embedded" {
					q.join(ada, there, "")
				}
				q.wait(time.Minute)
				q.publish(ada, "parsers", "")
				q.wait(time.Second)
				calls := q.newCalls()
				for _, channel := range []string{there, away} {
					if got := titles(t, sentTo(calls, channel)); !slices.Equal(got, []string{"SUBSCRIPTION_GAP", "parsers"}) {
						t.Errorf("%s got %v", channel, got)
					}
				}
			})
		})
	}
}
