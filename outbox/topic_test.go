package outbox_test

import (
	"fmt"
	"testing"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/outbox"
)

// topics returns one topic of each kind, with two persons and two requests.
func topics(request, otherRequest int) []outbox.Topic {
	return []outbox.Topic{
		outbox.PublishedKnowledge(),
		outbox.RequestsTo(1), outbox.RequestsTo(2), outbox.AnswersTo(1), outbox.AnswersTo(2),
		outbox.AnswerOf(request), outbox.AnswerOf(otherRequest),
		outbox.NotificationsOf(1), outbox.NotificationsOf(2), outbox.ActionsOf(1), outbox.ActionsOf(2),
	}
}

func TestATopicIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, topic := range topics(12884901889, 12884901890) {
		read, err := outbox.ParseTopic(topic.String())
		if err != nil || read != topic {
			t.Errorf("%q is read as %v, %v", topic, read, err)
		}
	}
	for _, text := range []string{
		"", " ", "GOSSIP", "recipient:", "recipient:0", "recipient:-1", "recipient:x", "recipient:99999999999999999999", "request", "knowledge_published",
		"KNOWLEDGE_REQUEST KNOWLEDGE_RESPONSE", "KNOWLEDGE_REQUEST recipient:1 knowledge:2", "recipient:1:2",
		"recipient:1 recipient:2", "request:1 request:2", "recipient:+1", "recipient:01",
		"actor:", "actor:0", "actor:1 actor:2", "actor:1 recipient:2", "request:1 actor:2",
	} {
		if topic, err := outbox.ParseTopic(text); err == nil {
			t.Errorf("%q is read as %v", text, topic)
		}
	}
}

func FuzzParseTopic(f *testing.F) {
	for _, topic := range topics(12884901889, 3) {
		f.Add(topic.String())
	}
	f.Add("KNOWLEDGE_REQUEST KNOWLEDGE_RESPONSE")
	f.Add("request:1 recipient:2 KNOWLEDGE_RESPONSE")
	f.Fuzz(func(t *testing.T, text string) {
		topic, err := outbox.ParseTopic(text)
		if err != nil {
			return
		}
		again, err := outbox.ParseTopic(topic.String())
		if err != nil || again != topic || topic == (outbox.Topic{}) {
			t.Errorf("%q is read as %+v, and written as %q, which is read as %+v, %v", text, topic, topic, again, err)
		}
	})
}

// TopicsOf returns a topic exactly if Topic.Events selects the event. So subscriptions get the same events live and
// when they catch up.
func TestAnEventIsOnTheTopicsWhoseRowsHaveIt(t *testing.T) {
	t.Parallel()
	client := open(t, 1)
	ctx := auth.AsSystem(t.Context())
	log := newLog(t, client)
	ask(t, log, "Why?", 2)
	ask(t, log, "Why not?", 2)
	if err := learn(t.Context(), log, "roots"); err != nil {
		t.Fatal(err)
	}
	requests := client.KnowledgeRequest.Query().IDsX(ctx)
	item := client.Knowledge.Query().OnlyIDX(ctx)
	// Also all other combinations: each kind, with and without a recipient, and about each request or none.
	nobody, none := 0, 0
	for _, kind := range []event.Kind{event.KindKnowledgeRequest, event.KindKnowledgeResponse, event.KindKnowledgePublished} {
		for _, recipient := range []int{nobody, 1, 2} {
			for _, request := range append(requests, none) {
				for _, actor := range []int{nobody, 1, 2} { // events from before there were actors have none
					if (recipient == nobody) != (kind == event.KindKnowledgePublished) || recipient == nobody && (request != none || actor != nobody) {
						continue // impossible: an event without a recipient is a publication, and about no request
					}
					create := client.Event.Create().SetKind(kind).SetPayload([]byte("{}")).SetKnowledgeID(item)
					if recipient != nobody {
						create.SetRecipientID(recipient)
					}
					if request != none {
						create.SetRequestID(request)
					}
					if actor != nobody {
						create.SetActorID(actor)
					}
					create.SaveX(ctx)
				}
			}
		}
	}
	all := rows(t, client)
	if len(all) < 39 {
		t.Fatalf("only %d events", len(all))
	}
	for _, topic := range topics(requests[0], requests[1]) {
		found := make(map[int]bool)
		for _, id := range client.Event.Query().Where(topic.Events()).IDsX(ctx) {
			found[id] = true
		}
		if len(found) == 0 {
			t.Errorf("%s has no event", topic)
		}
		for _, e := range all {
			if on := onTopic(e, topic); on != found[e.ID] {
				t.Errorf("%v: on %q: %t, among its rows: %t", e, topic, on, found[e.ID])
			}
		}
	}
}

func onTopic(e *ent.Event, topic outbox.Topic) bool {
	n := 0
	for _, t := range outbox.TopicsOf(e) {
		if t == topic {
			n++
		}
	}
	return n == 1
}

// The person who caused an event is in its row only.
func TestAnActorIsNotInThePayload(t *testing.T) {
	t.Parallel()
	client := open(t, 1)
	log := newLog(t, client)
	ask(t, log, "Why?", 2)
	e := rows(t, client)[0]
	if e.ActorID == nil || *e.ActorID != asker {
		t.Errorf("the actor is %v, want %d", e.ActorID, asker)
	}
	want := fmt.Sprintf(`{"type":"knowledge-request","requestId":%d,"question":"Why?","requesterName":"user 1","createdAt":%q}`,
		*e.RequestID, outbox.FormatTime(client.KnowledgeRequest.Query().OnlyX(auth.AsSystem(t.Context())).CreatedAt))
	if string(e.Payload) != want {
		t.Errorf("the payload is %s, want %s", e.Payload, want)
	}
}

func BenchmarkTopicsOf(b *testing.B) {
	recipient, request, actor := 2, 12884901889, 1
	e := &ent.Event{Kind: event.KindKnowledgeRequest, RecipientID: &recipient, RequestID: &request, ActorID: &actor}
	b.ReportAllocs()
	for b.Loop() {
		outbox.TopicsOf(e)
	}
}
