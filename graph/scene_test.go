package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/knowledgecontent"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/ent/knowledgeshare"
	"lorebridge/ent/session"
)

// scene is four people around one owner's knowledge, each part of it with a name:
//
//	$item     Owner's, asked for by Requester: $pending, with the event $asked for Owner
//	$shared   Owner's, asked for by Requester and granted: $approved, with the event $granted for Requester
//	$free     a question of Requester to Owner without an item, denied with words
//	$own      Stranger's own item, which nobody asked for
//
// Operations and answers are written with these names in place of ids.
type scene struct {
	*harness
	stranger, requester, owner person
	ids                        map[string]int
}

// set makes a scene of fresh people and things.
func (h *harness) set() *scene {
	h.t.Helper()
	s := &scene{
		harness: h, stranger: h.person("Stranger"), requester: h.person("Requester"), owner: h.person("Owner"),
		ids: make(map[string]int),
	}
	s.ids["stranger"], s.ids["requester"], s.ids["owner"] = s.stranger.id, s.requester.id, s.owner.id
	s.ids["item"] = s.keep(s.owner, "Roots", "the secret of roots")
	s.ids["shared"] = s.keep(s.owner, "Shoots", "the secret of shoots")
	s.ids["own"] = s.keep(s.stranger, "Fruits", "the secret of fruits")
	s.ids["approved"] = s.request(s.requester, "shared", "", "May I read Shoots?")
	s.ids["free"] = s.request(s.requester, "", "owner", "What else is there?")
	s.ids["pending"] = s.request(s.requester, "item", "", "May I read Roots?")
	s.respond(s.owner, "approved", knowledgerequest.StatusApproved, "You may.")
	s.respond(s.owner, "free", knowledgerequest.StatusDenied, "Nothing.")

	ctx := h.system()
	first := func(kind event.Kind, request string) int {
		id, err := h.client.Event.Query().Where(event.KindEQ(kind), event.RequestID(s.ids[request])).OnlyID(ctx)
		must(h.t, err)
		return id
	}
	s.ids["asked1"] = first(event.KindKnowledgeRequest, "approved")
	s.ids["asked2"] = first(event.KindKnowledgeRequest, "free")
	s.ids["asked"] = first(event.KindKnowledgeRequest, "pending")
	s.ids["granted"] = first(event.KindKnowledgeResponse, "approved")
	s.ids["denied"] = first(event.KindKnowledgeResponse, "free")
	var err error
	s.ids["content"], err = h.client.KnowledgeContent.Query().Where(knowledgecontent.KnowledgeID(s.ids["shared"])).OnlyID(ctx)
	must(h.t, err)
	s.ids["share"], err = h.client.KnowledgeShare.Query().Where(knowledgeshare.KnowledgeID(s.ids["shared"])).OnlyID(ctx)
	must(h.t, err)
	s.ids["session"], err = h.client.Session.Query().Where(session.UserID(s.owner.id)).OnlyID(ctx)
	must(h.t, err)
	return s
}

// keep makes a knowledge item.
func (h *harness) keep(p person, title, content string) (id int) {
	h.t.Helper()
	h.as(p, func(ctx context.Context, tx *ent.Client) error {
		item, err := tx.Knowledge.Create().SetOwnerID(p.id).SetTitle(title).Save(ctx)
		if err != nil {
			return err
		}
		id = item.ID
		return tx.KnowledgeContent.Create().SetKnowledgeID(id).SetText(content).Exec(ctx)
	})
	return id
}

// request asks for an item, or for a free answer of a person.
func (s *scene) request(p person, item, owner, question string) (id int) {
	s.t.Helper()
	s.as(p, func(ctx context.Context, tx *ent.Client) error {
		create := tx.KnowledgeRequest.Create().SetRequesterID(p.id).SetQuestion(question)
		if item != "" {
			create.SetKnowledgeID(s.ids[item])
		} else {
			create.SetOwnerID(s.ids[owner])
		}
		made, err := create.Save(ctx)
		if err != nil {
			return err
		}
		id = made.ID
		return nil
	})
	return id
}

// respond answers a request.
func (s *scene) respond(p person, request string, status knowledgerequest.Status, words string) {
	s.t.Helper()
	s.as(p, func(ctx context.Context, tx *ent.Client) error {
		return tx.KnowledgeRequest.UpdateOneID(s.ids[request]).SetStatus(status).SetResponseContent(words).Exec(ctx)
	})
}

var named = regexp.MustCompile(`\$([a-z]+\d*)\b`)

// perform sends an operation with the scene's names in place of its ids.
func (s *scene) perform(p person, operation string) answer {
	s.t.Helper()
	return s.ask(p, named.ReplaceAllStringFunc(operation, func(name string) string {
		id, ok := s.ids[name[1:]]
		if !ok {
			s.t.Fatalf("the scene has no %s", name)
		}
		return strconv.Itoa(id)
	}))
}

var (
	quotedKey = regexp.MustCompile(`"(\w+)":`)
	quotedID  = regexp.MustCompile(`"(\d+)"`)
	moment    = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)
	place     = regexp.MustCompile(`(ursor):"[^"]+"`)
	token     = regexp.MustCompile(`token:"[\w-]{43}"`)
)

// outcome writes an answer in the form of the tables: CODE for an error, or CODE:field if it names one, and then the
// data. In the data the scene's names replace ids, T replaces times, and C replaces cursors.
func (s *scene) outcome(a answer) string {
	s.t.Helper()
	var parts []string
	for _, e := range a.Errors {
		part := e.Extensions.Code
		if e.Extensions.Field != "" {
			part += ":" + e.Extensions.Field
		}
		parts = append(parts, part)
	}
	var data any
	if len(a.Data) > 0 {
		must(s.t, json.Unmarshal(a.Data, &data))
	}
	if !hollow(data) || len(parts) == 0 {
		text := quotedKey.ReplaceAllString(string(a.Data), "$1:")
		text = quotedID.ReplaceAllStringFunc(text, s.name)
		text = moment.ReplaceAllString(text, "T")
		text = place.ReplaceAllString(text, "$1:C")
		text = token.ReplaceAllString(text, "token:SECRET")
		text = strings.NewReplacer(s.stranger.email, "stranger@", s.requester.email, "requester@", s.owner.email, "owner@").Replace(text)
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

func (s *scene) name(quoted string) string {
	for name, id := range s.ids {
		if quoted == `"`+strconv.Itoa(id)+`"` {
			return "$" + name
		}
	}
	return quoted
}

// hollow reports whether data has no value except null.
func hollow(data any) bool {
	object, ok := data.(map[string]any)
	if !ok {
		return data == nil
	}
	for _, value := range object {
		if !hollow(value) {
			return false
		}
	}
	return true
}

// same is a cell that is like the one to its left.
const same = "same as to the left"

// row is what one operation comes to for each of the four.
type row struct{ operation, nobody, stranger, requester, owner string }

// cells calls fn for each of the four with what is wanted.
func (r row) cells(fn func(who, want string)) {
	want := ""
	for _, cell := range []struct{ who, want string }{
		{"nobody", r.nobody}, {"stranger", r.stranger}, {"requester", r.requester}, {"owner", r.owner},
	} {
		if cell.want != same {
			want = cell.want
		}
		fn(cell.who, want)
	}
}

// who returns the person by the name of the column.
func (s *scene) who(name string) person {
	return map[string]person{"nobody": nobody, "stranger": s.stranger, "requester": s.requester, "owner": s.owner}[name]
}

// title is a short name for a subtest.
func title(operation string) string {
	return fmt.Sprintf("%.70s", strings.Join(strings.Fields(operation), " "))
}
