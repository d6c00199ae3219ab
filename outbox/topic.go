package outbox

import (
	"fmt"
	"strconv"
	"strings"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/predicate"
)

// Topic is what a subscription listens to: the events that have all that is set in it. The zero of a field is not
// set. Topics are made by the functions below and can be compared.
type Topic struct {
	Kind        event.Kind
	RecipientID int
	ActorID     int
	RequestID   int
}

// PublishedKnowledge is every new knowledge item.
func PublishedKnowledge() Topic { return Topic{Kind: event.KindKnowledgePublished} }

// RequestsTo is the requests for what a person knows.
func RequestsTo(ownerID int) Topic {
	return Topic{Kind: event.KindKnowledgeRequest, RecipientID: ownerID}
}

// AnswersTo is the answers to a person's requests.
func AnswersTo(requesterID int) Topic {
	return Topic{Kind: event.KindKnowledgeResponse, RecipientID: requesterID}
}

// AnswerOf is the answer to one request.
func AnswerOf(requestID int) Topic {
	return Topic{Kind: event.KindKnowledgeResponse, RequestID: requestID}
}

// NotificationsOf is whatever happens for a person.
func NotificationsOf(userID int) Topic { return Topic{RecipientID: userID} }

// ActionsOf is the requests that a person makes or answers.
func ActionsOf(userID int) Topic { return Topic{ActorID: userID} }

// TopicsOf returns every topic that an event is on.
func TopicsOf(e *ent.Event) []Topic {
	if e.RecipientID == nil {
		return []Topic{{Kind: e.Kind}}
	}
	topics := make([]Topic, 0, 4)
	topics = append(topics, Topic{Kind: e.Kind, RecipientID: *e.RecipientID}, Topic{RecipientID: *e.RecipientID})
	if e.RequestID != nil {
		topics = append(topics, Topic{Kind: e.Kind, RequestID: *e.RequestID})
	}
	if e.ActorID != nil {
		topics = append(topics, Topic{ActorID: *e.ActorID})
	}
	return topics
}

// Events selects the rows of the topic.
func (t Topic) Events() predicate.Event {
	var all []predicate.Event
	if t.Kind != "" {
		all = append(all, event.KindEQ(t.Kind))
	}
	if t.RecipientID != 0 {
		all = append(all, event.RecipientID(t.RecipientID))
	}
	if t.ActorID != 0 {
		all = append(all, event.ActorID(t.ActorID))
	}
	if t.RequestID != 0 {
		all = append(all, event.RequestID(t.RequestID))
	}
	return event.And(all...)
}

// String writes the topic as it is stored and shown: what is set, in words with spaces between.
func (t Topic) String() string {
	var words []string
	if t.Kind != "" {
		words = append(words, t.Kind.String())
	}
	if t.RecipientID != 0 {
		words = append(words, "recipient:"+strconv.Itoa(t.RecipientID))
	}
	if t.ActorID != 0 {
		words = append(words, "actor:"+strconv.Itoa(t.ActorID))
	}
	if t.RequestID != 0 {
		words = append(words, "request:"+strconv.Itoa(t.RequestID))
	}
	return strings.Join(words, " ")
}

// ParseTopic reads what String wrote.
func ParseTopic(s string) (Topic, error) {
	var t Topic
	for word := range strings.FieldsSeq(s) {
		name, value, numbered := strings.Cut(word, ":")
		id, err := strconv.Atoi(value)
		switch {
		case !numbered && event.KindValidator(event.Kind(word)) == nil:
			t.Kind = event.Kind(word)
		case name == "recipient" && err == nil && id > 0:
			t.RecipientID = id
		case name == "actor" && err == nil && id > 0:
			t.ActorID = id
		case name == "request" && err == nil && id > 0:
			t.RequestID = id
		}
	}
	if t == (Topic{}) || t.String() != s {
		return Topic{}, fmt.Errorf("read the topic %q: it must be as Topic.String wrote it", s)
	}
	return t, nil
}
