package outbox

import (
	"fmt"
	"strconv"
	"strings"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/predicate"
)

// Topic selects the events of a subscription: those that match every field that is set. A zero field is not set.
// Topics are made by the functions below and can be compared with ==.
type Topic struct {
	Kind        event.Kind
	RecipientID int
	ActorID     int
	RequestID   int
}

// PublishedKnowledge is the topic of all new knowledge items.
func PublishedKnowledge() Topic { return Topic{Kind: event.KindKnowledgePublished} }

// RequestsTo is the topic of the requests to one person.
func RequestsTo(ownerID int) Topic {
	return Topic{Kind: event.KindKnowledgeRequest, RecipientID: ownerID}
}

// AnswersTo is the topic of the answers to one person's requests.
func AnswersTo(requesterID int) Topic {
	return Topic{Kind: event.KindKnowledgeResponse, RecipientID: requesterID}
}

// AnswerOf is the topic of the answer to one request.
func AnswerOf(requestID int) Topic {
	return Topic{Kind: event.KindKnowledgeResponse, RequestID: requestID}
}

// NotificationsOf is the topic of all events for one person.
func NotificationsOf(userID int) Topic { return Topic{RecipientID: userID} }

// ActionsOf is the topic of the requests that one person makes or answers.
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

// Events selects the event rows of the topic.
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

// String formats the topic as it is stored and shown: the fields that are set, with spaces between.
func (t Topic) String() string {
	var fields []string
	if t.Kind != "" {
		fields = append(fields, t.Kind.String())
	}
	if t.RecipientID != 0 {
		fields = append(fields, "recipient:"+strconv.Itoa(t.RecipientID))
	}
	if t.ActorID != 0 {
		fields = append(fields, "actor:"+strconv.Itoa(t.ActorID))
	}
	if t.RequestID != 0 {
		fields = append(fields, "request:"+strconv.Itoa(t.RequestID))
	}
	return strings.Join(fields, " ")
}

// ParseTopic parses the result of String.
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
