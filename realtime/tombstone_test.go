package realtime_test

import (
	"net/http"
	"testing"
	"time"

	"lorebridge/ent/storedsubscription"
)

func TestTheTokenOfAnEndedSessionOpensTheChannelsThatItOwnedForTheirEndAlone(t *testing.T) {
	t.Parallel()
	for name, change := range pusherSetups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, change)
			ada, grace := s.person("Ada"), s.person("Grace")
			tab := s.session(ada, time.Hour)
			hers, unjoined := s.subscribe(ada, title), s.subscribe(ada, title)
			goesOn, others := s.subscribe(tab, title), s.subscribe(grace, title)
			s.listen(tab, goesOn)
			must(t, s.listen(ada, hers).conn.Close())
			own := "private-user-" // the beginning of a person's channel
			if s.options.pusher.MasterKey != "" {
				own = "private-encrypted-user-"
			}
			s.execute(ada, `mutation { signOut { signedOut } }`, nil).into(&struct{}{})
			s.publish(grace, "missed")
			for channel, status := range map[string]int{
				hers: http.StatusOK, unjoined: http.StatusOK,
				goesOn: http.StatusUnauthorized, others: http.StatusUnauthorized, own + "1": http.StatusUnauthorized,
				"private-gql-aaaaaaaaaaaaaaaaaaaaaaaaaa": http.StatusUnauthorized,
			} {
				if got := s.authorize(ada, "1.1", channel); got.status != status {
					t.Errorf("%s: got %d %s, want %d", channel, got.status, got.body, status)
				}
			}
			for _, channel := range []string{hers, unjoined} {
				l := s.listen(ada, channel)
				if u := l.update(); u.Raw != `{"more":false}` {
					t.Errorf("got %s, want the end", u.Raw)
				}
			}
			l := s.listen(tab, goesOn) // the subscription of the other session has not ended
			s.publish(grace, "compilers")
			for value := ""; value != "compilers"; {
				value, _ = l.receive("title")
			}
		})
	}
}

func TestATokenIsForgottenWithItsSession(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	ada := s.person("Ada")
	channel := s.subscribe(ada, title)
	s.execute(ada, `mutation { signOut { signedOut } }`, nil).into(&struct{}{})
	must(t, s.client.Session.UpdateOneID(ada.session).SetEndedAt(time.Now().UTC().Add(-25*time.Hour)).Exec(s.system()))
	if got := s.authorize(ada, "1.1", channel); got.status != http.StatusUnauthorized {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestASessionThatEndsUnnoticedEndsTheRequestsOfItsToken(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	ada := s.person("Ada")
	channel := s.subscribe(ada, title)
	must(t, s.client.Session.UpdateOneID(ada.session).SetEndedAt(time.Now().UTC()).Exec(s.system()))
	l := s.listen(ada, channel)
	if u := l.update(); u.Raw != `{"more":false}` {
		t.Errorf("got %s, want the end", u.Raw)
	}
	if row := s.row(channel); row.State != storedsubscription.StateClosed || row.Document != "" {
		t.Errorf("its row: %v", row)
	}
}
