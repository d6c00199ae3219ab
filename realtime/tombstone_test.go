package realtime_test

import (
	"net/http"
	"testing"
	"time"

	"lorebridge/ent/storedsubscription"
)

func TestTheTokenOfAnEndedSessionOpensTheChannelsThatItOwnedForTheirEndAlone(t *testing.T) {
	t.Parallel()
	for name, change := range houses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, change)
			ada, grace := h.person("Ada"), h.person("Grace")
			tab := h.session(ada, time.Hour)
			hers, unjoined := h.subscribe(ada, title), h.subscribe(ada, title)
			goesOn, others := h.subscribe(tab, title), h.subscribe(grace, title)
			h.listen(tab, goesOn)
			must(t, h.listen(ada, hers).conn.Close())
			own := "private-user-" // a person's channel
			if h.plan.pusher.MasterKey != "" {
				own = "private-encrypted-user-"
			}
			h.post(ada, `mutation { signOut { signedOut } }`, nil).into(&struct{}{})
			h.publish(grace, "missed")
			for channel, status := range map[string]int{
				hers: http.StatusOK, unjoined: http.StatusOK,
				goesOn: http.StatusUnauthorized, others: http.StatusUnauthorized, own + "1": http.StatusUnauthorized,
				"private-gql-aaaaaaaaaaaaaaaaaaaaaaaaaa": http.StatusUnauthorized,
			} {
				if got := h.authorize(ada, "1.1", channel); got.status != status {
					t.Errorf("%s: got %d %s, want %d", channel, got.status, got.body, status)
				}
			}
			for _, channel := range []string{hers, unjoined} {
				l := h.listen(ada, channel)
				if u := l.update(); u.Raw != `{"more":false}` {
					t.Errorf("got %s, want the end", u.Raw)
				}
			}
			l := h.listen(tab, goesOn) // none of this has ended the other session's
			h.publish(grace, "compilers")
			for value := ""; value != "compilers"; {
				value, _ = l.told("title")
			}
		})
	}
}

func TestATokenIsForgottenWithItsSession(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	channel := h.subscribe(ada, title)
	h.post(ada, `mutation { signOut { signedOut } }`, nil).into(&struct{}{})
	must(t, h.client.Session.UpdateOneID(ada.session).SetEndedAt(time.Now().UTC().Add(-25*time.Hour)).Exec(h.system()))
	if got := h.authorize(ada, "1.1", channel); got.status != http.StatusUnauthorized {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestASessionThatEndsUnheardEndsWhatItsTokenAsksFor(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	channel := h.subscribe(ada, title)
	must(t, h.client.Session.UpdateOneID(ada.session).SetEndedAt(time.Now().UTC()).Exec(h.system()))
	l := h.listen(ada, channel)
	if u := l.update(); u.Raw != `{"more":false}` {
		t.Errorf("got %s, want the end", u.Raw)
	}
	if row := h.row(channel); row.State != storedsubscription.StateClosed || row.Document != "" {
		t.Errorf("its row: %v", row)
	}
}
