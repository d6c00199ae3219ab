package outbox_test

import (
	"testing"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/outbox"
)

// topics are one of each kind, with two persons and two requests.
func topics(request, otherRequest int) []outbox.Topic {
	return []outbox.Topic{
		outbox.PublishedKnowledge(),
		outbox.RequestsTo(1), outbox.RequestsTo(2), outbox.AnswersTo(1), outbox.AnswersTo(2),
		outbox.AnswerOf(request), outbox.AnswerOf(otherRequest),
		outbox.NotificationsOf(1), outbox.NotificationsOf(2),
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

// An event is on a topic exactly where the topic's rows have it: who listens and who catches up get the same.
func TestAnEventIsOnTheTopicsWhoseRowsHaveIt(t *testing.T) {
	t.Parallel()
	client := open(t, 1)
	ctx := auth.AsSystem(t.Context())
	relay := newRelay(t, outbox.Config{Client: client, Sender: &recorder{}})
	ask(t, relay, "Why?", 2)
	ask(t, relay, "Why not?", 2)
	if err := learn(t.Context(), relay, "roots"); err != nil {
		t.Fatal(err)
	}
	requests := client.KnowledgeRequest.Query().IDsX(ctx)
	item := client.Knowledge.Query().OnlyIDX(ctx)
	// And what else there can be: of every kind, for everybody and nobody, about each request and none.
	nobody, none := 0, 0
	for _, kind := range []event.Kind{event.KindKnowledgeRequest, event.KindKnowledgeResponse, event.KindKnowledgePublished} {
		for _, recipient := range []int{nobody, 1, 2} {
			for _, request := range append(requests, none) {
				if (recipient == nobody) != (kind == event.KindKnowledgePublished) || recipient == nobody && request != none {
					continue // there is none such: what is for nobody is published, and about no request
				}
				create := client.Event.Create().SetKind(kind).SetPayload([]byte("{}")).SetKnowledgeID(item)
				if recipient != nobody {
					create.SetRecipientID(recipient)
				}
				if request != none {
					create.SetRequestID(request)
				}
				create.SaveX(ctx)
			}
		}
	}
	all := rows(t, client)
	if len(all) < 15 {
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
