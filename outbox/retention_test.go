package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/knowledgerequest"
	entparked "lorebridge/ent/parked"
	entprogress "lorebridge/ent/progress"
	"lorebridge/outbox"
)

const day = 24 * time.Hour

// old is a log with old events.
type old struct {
	client *ent.Client
	log    *outbox.Log
	*outbox.Retention
	written strings.Builder // output of the logger
	system  context.Context //nolint:containedctx // with the rights of the server
}

func newOld(t *testing.T, c outbox.RetentionConfig) *old {
	t.Helper()
	o := &old{client: open(t, 4), system: auth.AsSystem(t.Context())}
	o.log = newLog(t, o.client)
	o.Retention = outbox.NewRetention(c, o.log, slog.New(slog.NewTextHandler(&o.written, nil)))
	return o
}

// passed sets the watermarks of both readers.
func (o *old) passed(people, subscriptions int) {
	for reader, seq := range map[string]int{outbox.People: people, outbox.Subscriptions: subscriptions} {
		o.client.Progress.Update().Where(entprogress.Reader(reader)).SetDoneSeq(seq).ExecX(o.system)
	}
}

// passedAll sets both watermarks to the newest event.
func (o *old) passedAll(t *testing.T) {
	t.Helper()
	all := rows(t, o.client)
	o.passed(all[len(all)-1].ID, all[len(all)-1].ID)
}

func (o *old) remove(t *testing.T) {
	t.Helper()
	if err := o.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// is returns one letter for each of the ids: K for a kept event, L for one without its payload, and - for a removed
// one.
func (o *old) is(t *testing.T, ids []int) string {
	t.Helper()
	marks := make([]string, len(ids))
	left := rows(t, o.client)
	for i, id := range ids {
		marks[i] = "-"
		if at := slices.IndexFunc(left, func(e *ent.Event) bool { return e.ID == id }); at >= 0 {
			marks[i] = "K"
			if string(left[at].Payload) == "{}" && left[at].RecipientID != nil {
				marks[i] = "L"
			}
		}
	}
	return strings.Join(marks, "")
}

func (o *old) expect(t *testing.T, when string, ids []int, want string) {
	t.Helper()
	if got := o.is(t, ids); got != want {
		t.Errorf("%s:\n got %s\nwant %s", when, got, want)
	}
}

func (o *old) learn(t *testing.T, title string) {
	t.Helper()
	if err := learn(t.Context(), o.log, title); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyWhatEveryReaderHasPassedIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOld(t, outbox.RetentionConfig{KeepUnread: 365 * day})
		for i := range 4 {
			ask(t, o.log, fmt.Sprint(i), 2)
			o.learn(t, fmt.Sprint(i))
		}
		ids := idsOf(rows(t, o.client))
		o.client.Event.Update().Where(event.RecipientIDNotNil(), event.IDNEQ(ids[0])).SetReadAt(time.Now()).ExecX(o.system)
		<-time.After(100 * day)
		o.passed(0, 0)
		o.remove(t)
		o.expect(t, "no reader has begun", ids, "KKKKKKKK")
		o.passed(ids[7], ids[1])
		o.remove(t)
		o.expect(t, "subscriptions have passed 2", ids, "L-KKKKKK")
		o.passed(ids[3], ids[7])
		o.remove(t)
		o.expect(t, "people have passed 4", ids, "L---KKKK")
		waiting := o.client.Parked.Create().SetReader(outbox.Subscriptions).SetRecipient("x").SetFromSeq(ids[5])
		row := waiting.SaveX(o.system)
		o.client.Parked.Create().SetReader(outbox.People).SetRecipient("2").SetFromSeq(ids[4]).
			SetState(entparked.StateRefused).ExecX(o.system)
		o.passedAll(t)
		o.remove(t)
		o.expect(t, "one is parked from 6 on", ids, "L----KKK")
		o.client.Parked.DeleteOne(row).ExecX(o.system)
		o.remove(t)
		o.expect(t, "nobody is parked", ids, "L-------")
		<-time.After(264 * day)
		o.remove(t)
		o.expect(t, "364 days later", ids[:1], "L")
		<-time.After(2 * day)
		o.remove(t)
		o.expect(t, "366 days later", ids[:1], "-")
	})
}

func TestAReaderThatHasNoRowProtectsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOld(t, outbox.RetentionConfig{})
		o.learn(t, "title")
		ids := idsOf(rows(t, o.client))
		<-time.After(10 * day)
		o.passedAll(t)
		o.client.Progress.Delete().Where(entprogress.Reader(outbox.Subscriptions)).ExecX(o.system)
		o.remove(t)
		o.expect(t, "subscriptions have no progress", ids, "K")
	})
}

func TestEachKindOfEventIsKeptAsLongAsItShould(t *testing.T) {
	for _, keep := range []time.Duration{0, 30 * day} {
		t.Run(fmt.Sprint("unread for ", keep), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOld(t, outbox.RetentionConfig{KeepUnread: keep})
				ask(t, o.log, "read", 2)
				o.learn(t, "nobody's")
				ask(t, o.log, "unread", 3)
				ids := idsOf(rows(t, o.client))
				o.passedAll(t)
				o.client.Event.UpdateOneID(ids[0]).SetReadAt(time.Now()).ExecX(o.system)
				o.client.Event.UpdateOneID(ids[2]).ClearReadAt().ExecX(o.system)
				unread := "L"
				if keep > 0 {
					unread = "-"
				}
				now := time.Duration(0)
				for _, step := range []struct {
					at   time.Duration
					want string
				}{
					{7*day - time.Minute, "KKK"},
					{7*day + time.Minute, "L-L"},
					{30*day - time.Minute, "L-L"},
					{30*day + time.Minute, "L-" + unread},
					{90*day - time.Minute, "L-" + unread},
					{90*day + time.Minute, "--" + unread},
					{10_000 * day, "--" + unread},
				} {
					<-time.After(step.at - now)
					now = step.at
					o.remove(t)
					o.expect(t, "after "+now.String(), ids, step.want)
				}
			})
		})
	}
}

func TestWhatIsNewerThanTheWalkIsWalkedTheNextTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOld(t, outbox.RetentionConfig{})
		for i := range 10 {
			ask(t, o.log, fmt.Sprint(i), 2)
			<-time.After(day)
		}
		ids := idsOf(rows(t, o.client))
		o.passedAll(t)
		o.remove(t)
		o.expect(t, "after 10 days", ids, "LLLKKKKKKK")
		if got := progressOf(t, o.client, "retention"); got != "3 []" {
			t.Errorf("the walk is at %s", got)
		}
		<-time.After(2 * day)
		again := outbox.NewRetention(outbox.RetentionConfig{}, o.log, slog.New(slog.DiscardHandler)) // after a restart
		if err := again.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.expect(t, "after 12 days", ids, "LLLLLKKKKK")
	})
}

func TestRequestsAreRemovedOnlyIfNothingNeedsThem(t *testing.T) {
	for _, keep := range []time.Duration{0, 30 * day} {
		t.Run(fmt.Sprint("kept for ", keep), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOld(t, outbox.RetentionConfig{KeepRequests: keep})
				o.learn(t, "shared")
				item := o.client.Knowledge.Query().OnlyX(o.system)
				err := o.log.WithTx(o.system, func(ctx context.Context, tx *ent.Client) error {
					for i, question := range []string{"denied", "shares", "pending", "late"} {
						create := tx.KnowledgeRequest.Create().SetRequesterID(2 + i%2).SetQuestion(question)
						if question == "shares" {
							create.SetKnowledgeID(item.ID)
						} else {
							create.SetOwnerID(asker)
						}
						request, err := create.Save(ctx)
						if err != nil {
							return err
						}
						status := knowledgerequest.StatusDenied
						switch question {
						case "pending":
							continue
						case "shares":
							status = knowledgerequest.StatusApproved
						}
						if err := tx.KnowledgeRequest.UpdateOne(request).SetStatus(status).Exec(ctx); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				all := rows(t, o.client)
				o.passed(all[len(all)-2].ID, all[len(all)-1].ID) // the answer to the last one waits
				left := func() string {
					var questions []string
					for _, r := range o.client.KnowledgeRequest.Query().Order(ent.Asc(knowledgerequest.FieldID)).AllX(o.system) {
						questions = append(questions, r.Question)
					}
					return strings.Join(questions, " ")
				}
				want := []string{"denied shares pending late", "shares pending late", "shares pending"}
				if keep == 0 {
					want = []string{want[0], want[0], want[0]}
				}
				<-time.After(29 * day)
				o.remove(t)
				if got := left(); got != want[0] {
					t.Errorf("after 29 days: %s, want %s", got, want[0])
				}
				<-time.After(2 * day)
				o.remove(t)
				if got := left(); got != want[1] {
					t.Errorf("after 31 days: %s, want %s", got, want[1])
				}
				o.passedAll(t)
				o.remove(t)
				if got := left(); got != want[2] {
					t.Errorf("when the last answer was sent: %s, want %s", got, want[2])
				}
				if n := len(rows(t, o.client)); n != len(all)-1 { // of nobody
					t.Errorf("%d of %d notifications are left", n, len(all)-1)
				}
			})
		})
	}
}

func TestRejectedAndSkippedRowsAreKept90Days(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOld(t, outbox.RetentionConfig{})
		ask(t, o.log, "?", 2, 3, 4, 5)
		ids := idsOf(rows(t, o.client))
		states := []entparked.State{
			entparked.StateRefused, entparked.StateSkipped, entparked.StateWaiting, entparked.StateSkipped,
		}
		for i, state := range states {
			o.client.Parked.Create().SetReader(outbox.People).SetRecipient(fmt.Sprint(2 + i)).SetFromSeq(ids[i]).SetState(state).
				ExecX(o.system)
		}
		o.passedAll(t)
		all := []string{"people 2 REFUSED 1", "people 3 SKIPPED 2", "people 4 WAITING 3", "people 5 SKIPPED 4"}
		<-time.After(90*day - time.Minute)
		o.remove(t)
		if diff := cmp.Diff(all, parked(t, o.log, o.client)); diff != "" {
			t.Errorf("before 90 days (-want +got):\n%s", diff)
		}
		<-time.After(2 * time.Minute)
		o.remove(t)
		// The last one is above the event of a parked recipient. Without its row the event would be sent after a
		// restart.
		if diff := cmp.Diff(all[2:], parked(t, o.log, o.client)); diff != "" {
			t.Errorf("after 90 days (-want +got):\n%s", diff)
		}
	})
}

func TestBatchesGrowAndShrinkWithTheTimeTheyTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOld(t, outbox.RetentionConfig{})
		const n = 3000
		if err := o.log.WithTx(o.system, func(ctx context.Context, tx *ent.Client) error {
			for range n {
				change := outbox.Change{Kind: event.KindKnowledgeRequest, RecipientID: 2, Payload: outbox.Payload{Question: "?"}}
				if err := outbox.Append(ctx, change); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		<-time.After(8 * day)
		o.passedAll(t)
		var sizes []int
		each := 4 * time.Microsecond // for each row: fast
		at := rows(t, o.client)[0].ID - 1
		o.client.Progress.Use(func(next ent.Mutator) ent.Mutator {
			return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
				if m.Op().Is(ent.OpUpdate) { // a reader's progress, changed by this test
					return next.Mutate(ctx, m)
				}
				seq, _ := m.Field(entprogress.FieldDoneSeq)
				size := seq.(int) - at
				sizes, at = append(sizes, size), seq.(int)
				if len(sizes) == 8 {
					each = 100 * time.Microsecond
				}
				<-time.After(time.Duration(size) * each)
				return next.Mutate(ctx, m)
			})
		})
		o.remove(t)
		want := []int{20, 40, 80, 160, 320, 500, 500, 500, 250, 125, 62}
		if diff := cmp.Diff(want, sizes[:min(len(sizes), len(want))]); diff != "" {
			t.Errorf("the batches (-want +got):\n%s", diff)
		}
		for _, size := range sizes[len(want)-1:] {
			if held := time.Duration(size) * each; held > 10*time.Millisecond || size == 0 {
				t.Errorf("a batch of %d holds the writer for %v", size, held)
			}
		}
		if at != rows(t, o.client)[n-1].ID {
			t.Error("the walk did not reach the end")
		}
		each = 10 * time.Millisecond
		o.learn(t, "title")
		ask(t, o.log, "?", 2, 3, 4)
		<-time.After(8 * day)
		o.passedAll(t)
		for range 10 {
			ask(t, o.log, time.Now().String(), 2, 3)
			<-time.After(8 * day)
			o.passedAll(t)
			o.remove(t)
		}
		if o.Batch() != 1 {
			t.Errorf("however slow it is, a batch has %d rows: %v", o.Batch(), sizes)
		}
	})
}

func TestAfterAJumpOfTheClockNothingIsRemovedOnce(t *testing.T) {
	for by, want := range map[time.Duration]string{2 * time.Hour: "K", -2 * time.Hour: "K", 59 * time.Minute: "L"} {
		t.Run(by.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOld(t, outbox.RetentionConfig{})
				ask(t, o.log, "?", 2)
				ids := idsOf(rows(t, o.client))
				o.passedAll(t)
				o.ChangeClock(-1000 * day) // before the first run there is nothing to compare with
				o.remove(t)
				<-time.After(8 * day)
				o.ChangeClock(by)
				o.remove(t)
				o.expect(t, "at the first run", ids, want)
				if warned := strings.Contains(o.written.String(), "the clock was changed"); warned != (want == "K") {
					t.Errorf("the log: %s", o.written.String())
				}
				<-time.After(time.Hour)
				o.remove(t)
				o.expect(t, "at the next run", ids, "L")
			})
		})
	}
}

func TestWhatCannotBeRemovedIsReportedAndTheRestRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOld(t, outbox.RetentionConfig{KeepUnread: 30 * day, KeepRequests: 30 * day})
		ask(t, o.log, "?", 2)
		o.client.Parked.Create().SetReader(outbox.People).SetRecipient("2").SetFromSeq(rows(t, o.client)[0].ID).
			SetState(entparked.StateSkipped).ExecX(o.system)
		o.passedAll(t)
		<-time.After(100 * day)
		broken := errors.New("broken")
		fail := true
		o.client.Event.Use(func(next ent.Mutator) ent.Mutator {
			return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
				if fail {
					return nil, broken
				}
				return next.Mutate(ctx, m)
			})
		})
		if err := o.Remove(t.Context()); !errors.Is(err, broken) {
			t.Errorf("the error came back as %v", err)
		}
		if got := parked(t, o.log, o.client); len(got) != 0 {
			t.Errorf("%v are left", got)
		}
		fail = false
		o.remove(t)
		if left := rows(t, o.client); len(left) != 0 {
			t.Errorf("%v are left", idsOf(left))
		}
		for name, intercept := range map[string]func(...ent.Interceptor){
			"parked": o.client.Parked.Intercept, "progress": o.client.Progress.Intercept,
		} {
			intercept(ent.InterceptFunc(func(ent.Querier) ent.Querier {
				return ent.QuerierFunc(func(context.Context, ent.Query) (ent.Value, error) { return nil, broken })
			}))
			if err := o.Remove(t.Context()); !errors.Is(err, broken) {
				t.Errorf("%s cannot be read: %v", name, err)
			}
		}
	})
}

func TestARetentionTimeIsForEverOrAtLeastAWeek(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		config outbox.RetentionConfig
		wrong  string
	}{
		{outbox.RetentionConfig{}, ""},
		{outbox.RetentionConfig{KeepUnread: 7 * day, KeepRequests: 7 * day}, ""},
		{outbox.RetentionConfig{KeepUnread: 7*day - 1}, "KEEP_UNREAD"},
		{outbox.RetentionConfig{KeepRequests: 7*day - 1}, "KEEP_REQUESTS"},
		{outbox.RetentionConfig{KeepUnread: -day}, "KEEP_UNREAD"},
		{outbox.RetentionConfig{KeepRequests: -day}, "KEEP_REQUESTS"},
	} {
		err := test.config.Validate()
		if (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%+v: %v", test.config, err)
		}
	}
}
