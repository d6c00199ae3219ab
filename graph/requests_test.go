package graph_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/graph"
)

const (
	askForItem = `mutation($id: ID, $question: String!) {
		request: createKnowledgeRequest(input: {knowledgeId: $id, question: $question}) { alreadyExists knowledgeRequest { id question } } }`
	askPerson = `mutation($id: ID, $question: String!) {
		request: createKnowledgeRequest(input: {ownerId: $id, question: $question}) { alreadyExists knowledgeRequest { id question } } }`
	respond = `mutation($id: ID!, $status: KnowledgeResponse!, $words: String) {
		answer: respondToRequest(input: {requestId: $id, status: $status, responseContent: $words}) { knowledgeRequest { status responseContent } } }`
)

// requested is the answer of createKnowledgeRequest.
type requested struct {
	Request struct {
		AlreadyExists    bool
		KnowledgeRequest struct{ ID, Question string }
	}
}

// want asks and returns what became of it.
func (h *harness) want(p person, operation string, id int, question string) requested {
	h.t.Helper()
	var got requested
	h.ask(p, operation, map[string]any{"id": id, "question": question}).into(&got)
	return got
}

func TestAskingAgainWhilePendingReturnsThePendingRequestUnchanged(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	events := s.count("events")
	pending := strconv.Itoa(s.ids["pending"])
	for _, question := range []string{"May I read Roots?", "  May I read Roots?\n", "Something else."} {
		got := s.want(s.requester, askForItem, s.ids["item"], question)
		if !got.Request.AlreadyExists || got.Request.KnowledgeRequest.ID != pending || got.Request.KnowledgeRequest.Question != "May I read Roots?" {
			t.Errorf("%q gets %+v, want %s unchanged", question, got, pending)
		}
	}
	if n := s.count("events"); n != events {
		t.Errorf("asking again made %d events", n-events)
	}
}

func TestAFreeQuestionIsTheSameByItsTrimmedWords(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	events := s.count("events")
	first := s.want(s.stranger, askPerson, s.owner.id, "Why  so\tgreen?")
	if first.Request.AlreadyExists {
		t.Fatal("the first question is there already")
	}
	for _, test := range []struct {
		who      person
		whom     int
		question string
		exists   bool
	}{
		{s.stranger, s.owner.id, "Why  so\tgreen?", true},
		{s.stranger, s.owner.id, " \n\tWhy  so\tgreen?\u00a0\n", true},
		{s.stranger, s.owner.id, "Why so green?", false},
		{s.stranger, s.owner.id, "why  so\tgreen?", false},
		{s.stranger, s.requester.id, "Why  so\tgreen?", false},
		{s.requester, s.owner.id, "Why  so\tgreen?", false},
	} {
		got := s.want(test.who, askPerson, test.whom, test.question)
		if got.Request.AlreadyExists != test.exists || (got.Request.KnowledgeRequest.ID == first.Request.KnowledgeRequest.ID) != test.exists {
			t.Errorf("%s asks %d %q: %+v", test.who.name, test.whom, test.question, got)
		}
	}
	if n := s.count("events") - events; n != 5 {
		t.Errorf("five different questions made %d events", n)
	}
}

func TestAnItemMayBeAskedForAgainAfterDenial(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	s.respond(s.owner, "pending", knowledgerequest.StatusDenied, "No.")
	got := s.want(s.requester, askForItem, s.ids["item"], "May I read Roots?")
	if got.Request.AlreadyExists || got.Request.KnowledgeRequest.ID == strconv.Itoa(s.ids["pending"]) {
		t.Fatalf("after denial: %+v", got)
	}
	s.ids["again"], _ = strconv.Atoi(got.Request.KnowledgeRequest.ID)
	s.respond(s.owner, "again", knowledgerequest.StatusApproved, "Well then.")
	s.perform(s.requester, `mutation { createKnowledgeRequest(input: {knowledgeId: $item, question: "And again?"}) { alreadyExists } }`).
		rejected("ALREADY_SHARED")
}

func TestAQuestionMayBeAskedAgainOnceAnswered(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	if got := s.want(s.requester, askPerson, s.owner.id, "What else is there?"); got.Request.AlreadyExists {
		t.Errorf("the denied question is still there: %+v", got)
	}
}

func TestExactlyOneOfItemAndPersonIsAsked(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	before := s.rows()
	for _, whom := range []string{``, `knowledgeId: $item, ownerId: $owner,`, `knowledgeId: null, ownerId: null,`} {
		s.perform(s.stranger, `mutation { createKnowledgeRequest(input: {`+whom+` question: "?"}) { alreadyExists } }`).
			rejected("BAD_USER_INPUT:input")
	}
	if s.rows() != before {
		t.Error("something is written")
	}
}

func TestTwentyAskAtOnceAndOneRequestIsMade(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	for name, ask := range map[string]func() requested{
		"for an item": func() requested { return s.want(s.stranger, askForItem, s.ids["item"], "Me too?") },
		"a person":    func() requested { return s.want(s.stranger, askPerson, s.owner.id, "Me too?") },
	} {
		requests, events := s.count("knowledge_requests"), s.count("events")
		made, ids := 0, make(map[string]int)
		for got := range atOnce(20, ask) {
			ids[got.Request.KnowledgeRequest.ID]++
			if !got.Request.AlreadyExists {
				made++
			}
		}
		if made != 1 || len(ids) != 1 || s.count("knowledge_requests")-requests != 1 || s.count("events")-events != 1 {
			t.Errorf("%s: %d made, ids %v, %d rows, %d events", name, made, ids, s.count("knowledge_requests")-requests, s.count("events")-events)
		}
	}
}

// atOnce calls fn n times at the same time and yields what it returns.
func atOnce[T any](n int, fn func() T) func(func(T) bool) {
	results := make([]T, n)
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-start
			results[i] = fn()
		})
	}
	close(start)
	group.Wait()
	return func(yield func(T) bool) {
		for _, result := range results {
			if !yield(result) {
				return
			}
		}
	}
}

func TestTwentyAnswerAtOnceAndOneWins(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	events := s.count("events")
	var turn sync.Mutex
	statuses := []string{"APPROVED", "DENIED"}
	codes, winner := make(map[string]int), ""
	for a := range atOnce(20, func() answer {
		turn.Lock()
		status := statuses[0]
		statuses[0], statuses[1] = statuses[1], statuses[0]
		turn.Unlock()
		return s.ask(s.owner, respond, map[string]any{"id": s.ids["pending"], "status": status, "words": status + "!"})
	}) {
		codes[a.code()]++
		if a.code() == "" {
			winner = a.get("answer", "knowledgeRequest", "status")
		}
	}
	if diff := cmp.Diff(map[string]int{"": 1, "ALREADY_ANSWERED": 19}, codes); diff != "" {
		t.Error(diff)
	}
	if n := s.count("events") - events; n != 1 {
		t.Errorf("%d events", n)
	}
	row := s.client.KnowledgeRequest.GetX(s.system(), s.ids["pending"])
	if row.Status.String() != winner || row.ResponseContent == nil || *row.ResponseContent != winner+"!" || row.RespondedAt == nil {
		t.Errorf("the winner sent %s, the row has %v", winner, row)
	}
	if shares := s.count("knowledge_shares") - 1; shares != map[string]int{"APPROVED": 1, "DENIED": 0}[winner] {
		t.Errorf("%s made %d shares", winner, shares)
	}
}

func TestAnApprovalSharesOnceEvenWhatIsSharedAlready(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	s.mend(`INSERT INTO knowledge_shares (created_at, knowledge_id, shared_with_id, request_id) VALUES (?, ?, ?, ?)`,
		"2026-01-01 00:00:00+00:00", s.ids["item"], s.requester.id, s.ids["free"])
	shares := s.count("knowledge_shares")
	s.respond(s.owner, "pending", knowledgerequest.StatusApproved, "Twice.")
	if s.count("knowledge_shares") != shares {
		t.Error("the item is shared twice")
	}
}

func TestAnApprovalOfAFreeQuestionSharesNothing(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	s.ids["question"] = s.request(s.stranger, "", "owner", "Why?")
	shares := s.count("knowledge_shares")
	s.respond(s.owner, "question", knowledgerequest.StatusApproved, "Because.")
	if s.count("knowledge_shares") != shares {
		t.Error("a share without an item")
	}
}

func TestADenialSharesNothing(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	s.respond(s.owner, "pending", knowledgerequest.StatusDenied, "No.")
	if got := s.perform(s.requester, `{ node(id: $item) { ... on Knowledge { content } } }`).get("node", "content"); got != "null" {
		t.Errorf("the denied one reads %s", got)
	}
}

// eventOf returns the only event of a kind about a request.
func (s *scene) eventOf(kind event.Kind, request int) *ent.Event {
	s.t.Helper()
	row, err := s.client.Event.Query().Where(event.KindEQ(kind), event.RequestID(request)).Only(s.system())
	must(s.t, err)
	return row
}

// samePayload compares payloads as JSON: the database keeps them with HTML escaped, the wire does not.
func samePayload(t *testing.T, got []byte, want string) {
	t.Helper()
	var gotKeys, wantKeys map[string]any
	must(t, json.Unmarshal(got, &gotKeys))
	must(t, json.Unmarshal([]byte(want), &wantKeys))
	if diff := cmp.Diff(wantKeys, gotKeys); diff != "" {
		t.Errorf("the payload (-want +got):\n%s", diff)
	}
}

func TestEachRequestAndAnswerMakesItsEvent(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	id, _ := strconv.Atoi(s.want(s.stranger, askForItem, s.ids["item"], `<b>"Roots" & more?</b>`).Request.KnowledgeRequest.ID)
	asked := s.eventOf(event.KindKnowledgeRequest, id)
	if *asked.RecipientID != s.owner.id || *asked.KnowledgeID != s.ids["item"] {
		t.Errorf("the event is for %d about %d", *asked.RecipientID, *asked.KnowledgeID)
	}
	createdAt := s.client.KnowledgeRequest.GetX(s.system(), id).CreatedAt.UTC().Format("2006-01-02T15:04:05.000Z")
	want := fmt.Sprintf(`{"type":"knowledge-request","requestId":%d,"question":"<b>\"Roots\" & more?</b>","requesterName":"Stranger","createdAt":%q}`, id, createdAt)
	samePayload(t, asked.Payload, want)

	for _, test := range []struct{ name, status, words, want string }{
		{"with words", "APPROVED", " Here & there.\n", `"status":"approved","responseContent":"Here & there."}`},
		{"with blank words", "DENIED", " \n\t ", `"status":"denied"}`},
		{"with words of 64 KiB", "APPROVED", strings.Repeat("w", 64<<10), `"status":"approved"}`},
	} {
		id, _ := strconv.Atoi(s.want(s.stranger, askPerson, s.owner.id, "Answer me "+test.name).Request.KnowledgeRequest.ID)
		a := s.ask(s.owner, respond, map[string]any{"id": id, "status": test.status, "words": test.words})
		if got, want := a.get("answer", "knowledgeRequest", "responseContent"), strings.TrimSpace(test.words); got != want && (want != "" || got != "null") {
			t.Errorf("%s: the answer has %.50q", test.name, got)
		}
		answered := s.eventOf(event.KindKnowledgeResponse, id)
		if *answered.RecipientID != s.stranger.id {
			t.Errorf("%s: the event is for %d", test.name, *answered.RecipientID)
		}
		want := fmt.Sprintf(`{"type":"knowledge-response","requestId":%d,%s`, id, test.want)
		samePayload(t, answered.Payload, want)
	}
}

func TestAPersonWhoAsksTooOftenLearnsWhenToRetry(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) { p.Graph.RequestsPerMinute = 3 })
	s := h.set()
	for i := range 3 {
		s.want(s.stranger, askPerson, s.owner.id, "Question "+strconv.Itoa(i))
	}
	before := h.rows()
	for i := range 3 {
		a := s.ask(s.stranger, askPerson, map[string]any{"id": s.owner.id, "question": "More " + strconv.Itoa(i)})
		a.rejected("RATE_LIMITED")
		if after := a.Errors[0].Extensions.RetryAfter; after < 1 || after > 60 {
			t.Errorf("try again in %d seconds, want at most a minute", after)
		}
	}
	if h.rows() != before {
		t.Error("something is written")
	}
	if got := s.want(s.requester, askPerson, s.owner.id, "May I?"); got.Request.AlreadyExists {
		t.Errorf("somebody else: %+v", got)
	}
}

func TestAlreadyExistsKeepsTheContract(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	a := s.perform(s.requester, `mutation { createKnowledgeRequest(input: {knowledgeId: $item, question: "?"}) { alreadyExists } }`)
	if want := `{"createKnowledgeRequest":{"alreadyExists":true}}`; string(a.Data) != want || !json.Valid([]byte(a.body)) {
		t.Errorf("got %s, want %s", a.body, want)
	}
}

func TestSettingsNameTheVariableThatIsWrong(t *testing.T) {
	t.Parallel()
	must(t, graph.Settings{RequestsPerMinute: 1}.Validate())
	for _, n := range []int{0, -1} {
		if err := (graph.Settings{RequestsPerMinute: n}).Validate(); err == nil || !strings.HasPrefix(err.Error(), "REQUESTS_PER_MINUTE is ") {
			t.Errorf("%d a minute: %v", n, err)
		}
	}
}
