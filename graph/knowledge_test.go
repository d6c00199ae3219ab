package graph_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lorebridge/ent/event"
	"lorebridge/ent/knowledgerequest"
)

func TestAnUpdateLeavesWhatItDoesNotGive(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	for _, test := range []struct{ given, title, content string }{
		{``, "Roots", "the secret of roots"},
		{`, title: null, content: null`, "Roots", "the secret of roots"},
		{`, title: " Bulbs\n"`, "Bulbs", "the secret of roots"},
		{`, content: " of bulbs\n"`, "Bulbs", " of bulbs\n"},
		{`, content: ""`, "Bulbs", ""},
		{`, title: "Tubers", content: "of tubers"`, "Tubers", "of tubers"},
	} {
		s.mend(`UPDATE knowledge SET updated_at = created_at`)
		a := s.perform(s.owner, `mutation { update: updateKnowledge(input: {id: $item`+test.given+`}) { knowledge { title content createdAt updatedAt } } }`)
		var got struct {
			Update struct {
				Knowledge struct{ Title, Content, CreatedAt, UpdatedAt string }
			}
		}
		a.into(&got)
		k := got.Update.Knowledge
		if k.Title != test.title || k.Content != test.content || k.UpdatedAt <= k.CreatedAt {
			t.Errorf("{%s} makes %+v", test.given, k)
		}
	}
}

func TestDeletingAnItemDeniesAndNotifiesThoseWhoWait(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	s.ids["second"] = s.request(s.stranger, "item", "", "Me too?")
	s.ids["sharing"] = s.request(s.stranger, "shared", "", "And this?")
	s.respond(s.owner, "sharing", knowledgerequest.StatusApproved, "Yes.")
	events := s.count("events")

	s.perform(s.owner, `mutation { deleteKnowledge(input: {id: $item}) { deletedId } }`).into(&struct{}{})
	if n := s.count("events") - events; n != 2 {
		t.Errorf("two waited, %d events", n)
	}
	for request, p := range map[string]person{"pending": s.requester, "second": s.stranger} {
		denial := s.eventOf(event.KindKnowledgeResponse, s.ids[request])
		if *denial.RecipientID != p.id || denial.KnowledgeID != nil || !strings.HasSuffix(string(denial.Payload), `,"status":"denied"}`) {
			t.Errorf("$%s: the event is %v %s", request, denial, denial.Payload)
		}
		want := `{notifications:{edges:[{node:{kind:"KNOWLEDGE_RESPONSE",request:{id:$` + request +
			`,status:"DENIED",responseContent:null,respondedAt:T,knowledge:null}}}]}}`
		if got := s.outcome(s.perform(p, `{ notifications(first: 1) { edges { node { kind request { id status responseContent respondedAt knowledge { id } } } } } }`)); got != want {
			t.Errorf("%s gets\n %s, want\n %s", p.name, got, want)
		}
	}
	if s.count("knowledge") != 2 || s.count("knowledge_contents") != 2 {
		t.Error("the item or its text is still there")
	}

	// What was answered stays answered, without its item, and whoever it was shared with has lost it.
	events = s.count("events")
	s.perform(s.owner, `mutation { deleteKnowledge(input: {id: $shared}) { deletedId } }`).into(&struct{}{})
	if s.count("events") != events || s.count("knowledge_shares") != 0 {
		t.Errorf("%d more events, %d shares", s.count("events")-events, s.count("knowledge_shares"))
	}
	for request, p := range map[string]person{"approved": s.requester, "sharing": s.stranger} {
		want := `{node:{id:$` + request + `,status:"APPROVED",knowledge:null}}`
		if got := s.outcome(s.perform(p, `{ node(id: $`+request+`) { id ... on KnowledgeRequest { status knowledge { id } } } }`)); got != want {
			t.Errorf("%s sees %s", p.name, got)
		}
	}
	s.perform(s.owner, `mutation { deleteKnowledge(input: {id: $item}) { deletedId } }`).rejected("NOT_FOUND")
	s.perform(s.stranger, `mutation { createKnowledgeRequest(input: {knowledgeId: $item, question: "?"}) { alreadyExists } }`).rejected("NOT_FOUND")
	s.perform(s.owner, `mutation { respondToRequest(input: {requestId: $pending, status: APPROVED}) { knowledgeRequest { id } } }`).rejected("ALREADY_ANSWERED")
}

// Each mutation of several rows is cut off at its last: the client learns nothing of why, the log all, and no row
// stays.
func TestAMutationThatFailsHalfWayLeavesNothing(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.set()
	for _, test := range []struct {
		at, operation string
		who           person
	}{
		{"INSERT ON knowledge_contents", `mutation { createKnowledge(input: {title: "Seeds", content: "sown"}) { knowledge { id } } }`, s.owner},
		{"UPDATE ON knowledge_contents", `mutation { updateKnowledge(input: {id: $item, title: "Seeds", content: "sown"}) { knowledge { id } } }`, s.owner},
		{"INSERT ON events", `mutation { createKnowledgeRequest(input: {knowledgeId: $item, question: "Me too?"}) { alreadyExists } }`, s.stranger},
		{"INSERT ON events", `mutation { respondToRequest(input: {requestId: $pending, status: APPROVED}) { knowledgeRequest { id } } }`, s.owner},
		{"INSERT ON knowledge_shares", `mutation { respondToRequest(input: {requestId: $pending, status: APPROVED}) { knowledgeRequest { id } } }`, s.owner},
		{"DELETE ON knowledge", `mutation { deleteKnowledge(input: {id: $item}) { deletedId } }`, s.owner},
		{"INSERT ON sessions", `mutation { signUp(input: {name: "New", email: "new@example.com", password: "long enough"}) { expiresAt } }`, nobody},
		{"UPDATE ON events", `mutation { markNotificationsRead(input: {upTo: $denied}) { marked } }`, s.owner},
	} {
		before := h.rows()
		// The relay marks events too: only what a person does fails.
		when := map[bool]string{true: "WHEN new.read_at IS NOT NULL"}[test.at == "UPDATE ON events"]
		h.mend(`CREATE TRIGGER cut AFTER ` + test.at + ` ` + when + ` BEGIN SELECT RAISE(ABORT, 'the disk is full of secrets'); END`)
		a := s.perform(test.who, test.operation)
		h.mend(`DROP TRIGGER cut`)
		a.rejected("INTERNAL")
		if a.status != 200 || a.Errors[0].Message != "internal error" || len(a.cookies) > 0 {
			t.Errorf("%s: the client gets %d %s %v", title(test.operation), a.status, a.body, a.cookies)
		}
		if logged := strings.Join(h.journal.takeErrors(), "\n"); !strings.Contains(logged, "the disk is full of secrets") {
			t.Errorf("%s: the log has only %s", title(test.operation), logged)
		}
		if diff := cmp.Diff(before, h.rows()); diff != "" {
			t.Errorf("%s left something:\n%s", title(test.operation), diff)
		}
	}
}

// People ask for an item, answer and delete it at the same time. A person who asked in time gets one answer and one
// event. A person who comes late finds nothing.
func TestNobodyIsLeftWaitingForAnItemThatGoes(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.set()
	askers := make(chan person, 10)
	for range cap(askers) {
		askers <- h.person("Asker")
	}
	var turn atomic.Int32
	for code := range atOnce(12, func() string {
		switch turn.Add(1) {
		case 5:
			return s.perform(s.owner, `mutation { deleteKnowledge(input: {id: $item}) { deletedId } }`).code()
		case 4:
			return s.perform(s.owner, `mutation { respondToRequest(input: {requestId: $pending, status: APPROVED}) { knowledgeRequest { id } } }`).code()
		default:
			return s.perform(<-askers, `mutation { createKnowledgeRequest(input: {knowledgeId: $item, question: "Me too?"}) { alreadyExists } }`).code()
		}
	}) {
		if code != "" && code != "NOT_FOUND" && code != "ALREADY_ANSWERED" {
			t.Errorf("somebody gets %s", code)
		}
	}
	requests, err := h.client.KnowledgeRequest.Query().All(h.system())
	must(t, err)
	for _, request := range requests {
		if request.Status == knowledgerequest.StatusPending {
			t.Errorf("%v is left pending", request)
		}
		s.eventOf(event.KindKnowledgeRequest, request.ID)
		s.eventOf(event.KindKnowledgeResponse, request.ID)
	}
	const published = 3 // the items of the scene
	if n := h.count("events"); n != published+2*len(requests) {
		t.Errorf("%d requests, %d events", len(requests), n)
	}
	if h.count("knowledge_shares") != 1 || h.count("knowledge") != 2 {
		t.Errorf("%d shares, %d items", h.count("knowledge_shares"), h.count("knowledge"))
	}
}
