package graph_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/99designs/gqlgen/graphql"

	"lorebridge/auth"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/graph"
)

// The third part of the authorization table: what subscribing to each field comes to, over POST.
var subscriptions = []row{
	{`subscription { knowledgeRequestReceived { id question } }`, `UNAUTHENTICATED`, `{}`, same, same},
	{`subscription { knowledgeRequestAnswered { id status responseContent } }`, `UNAUTHENTICATED`, `{}`, same, same},
	{`subscription { viewerActed { id status } }`, `UNAUTHENTICATED`, `{}`, same, same},
	{`subscription { notificationReceived { id kind request { id } } }`, `UNAUTHENTICATED`, `{}`, same, same},
	{`subscription { knowledgePublished { id title content owner { name email } } }`, `UNAUTHENTICATED`, `{}`, same, same},
	{
		`subscription { knowledgeRequestChanged(id: $pending) { id status knowledge { content } } }`,
		`UNAUTHENTICATED`,
		`NOT_FOUND`,
		`{knowledgeRequestChanged:{id:$pending,status:"PENDING",knowledge:{content:null}}}`,
		`{knowledgeRequestChanged:{id:$pending,status:"PENDING",knowledge:{content:"the secret of roots"}}}`,
	},
	{
		`subscription { knowledgeRequestChanged(id: $approved) { id status responseContent } }`,
		`UNAUTHENTICATED`,
		`NOT_FOUND`,
		`{knowledgeRequestChanged:{id:$approved,status:"APPROVED",responseContent:"You may."}}`,
		same,
	},
	{`subscription { knowledgeRequestChanged(id: 12884999999) { id } }`, `UNAUTHENTICATED`, `NOT_FOUND`, same, same},
}

func TestEachPersonSubscribesToWhatIsTheirs(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	for _, row := range subscriptions {
		row.cells(func(who, want string) {
			a := s.perform(s.who(who), row.operation)
			if got := s.outcome(a); got != want {
				t.Errorf("%s: %s\n gets %s\n want %s", row.operation, who, got, want)
			}
			if channel := a.header.Get("X-Subscription-ID"); (channel != "") != (len(a.Errors) == 0 && want != subscriptions[6].requester) {
				t.Errorf("%s: %s gets the channel %q beside %s", row.operation, who, channel, a.body)
			}
		})
	}
}

// results subscribes a person as a stream does. next reads the next result.
func (s *scene) results(p person, query string) (next func() string) {
	s.t.Helper()
	ctx, stop := context.WithCancel(auth.NewContext(s.t.Context(), auth.Viewer{UserID: p.id}))
	s.t.Cleanup(stop)
	ctx = graphql.StartOperationTrace(ctx)
	operation, errs := s.api.Executor.CreateOperationContext(ctx, &graphql.RawParams{Query: query})
	if errs != nil {
		s.t.Fatal(errs)
	}
	responses, ctx := s.api.Executor.DispatchOperation(ctx, operation)
	return func() string {
		s.t.Helper()
		response := responses(ctx)
		if response == nil || len(response.Errors) > 0 {
			s.t.Fatalf("%s gets %+v", p.name, response)
		}
		return s.outcome(answer{t: s.t, Data: response.Data})
	}
}

// People who are not concerned get no result: the first result that they get is of a later event.
func TestEachPersonGetsTheirOwnResults(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	four := []person{s.stranger, s.requester, s.owner, s.person("Asker")}
	asker := four[3]
	ask := func(from, to person, question string) int {
		s.ids["to"] = to.id
		return s.request(from, "", "to", question)
	}
	respond := func(by person, id int, words string) {
		s.ids["asked for"] = id
		s.respond(by, "asked for", knowledgerequest.StatusDenied, words)
	}
	received, answered, notified, published := map[int]func() string{}, map[int]func() string{}, map[int]func() string{}, map[int]func() string{}
	acted := map[int]func() string{}
	for _, p := range four {
		received[p.id] = s.results(p, `subscription { knowledgeRequestReceived { question owner { name email } requester { email } } }`)
		answered[p.id] = s.results(p, `subscription { knowledgeRequestAnswered { responseContent requester { name } } }`)
		notified[p.id] = s.results(p, `subscription { notificationReceived { kind request { question } } }`)
		acted[p.id] = s.results(p, `subscription { viewerActed { status question requester { email } owner { email } } }`)
		published[p.id] = s.results(p, `subscription { knowledgePublished { title content owner { name email } } }`)
	}

	// Everybody is asked in turn and answers: each hears of their own alone, or their first result would be another's.
	for i, to := range four[:3] {
		question := fmt.Sprintf("%s?", to.name)
		id := ask(asker, to, question)
		want := fmt.Sprintf(`{knowledgeRequestReceived:{question:%q,owner:{name:%q,email:%q},requester:{email:null}}}`, question, to.name, lower(to.name)+"@")
		if got := received[to.id](); got != want {
			t.Errorf("%s receives %s, want %s", to.name, got, want)
		}
		if got, want := notified[to.id](), fmt.Sprintf(`{notificationReceived:{kind:"KNOWLEDGE_REQUEST",request:{question:%q}}}`, question); got != want {
			t.Errorf("%s is notified of %s, want %s", to.name, got, want)
		}
		if got, want := acted[asker.id](), fmt.Sprintf(`{viewerActed:{status:"PENDING",question:%q,requester:{email:"asker3@example.com"},owner:{email:null}}}`, question); got != want {
			t.Errorf("the asker acted %s, want %s", got, want)
		}
		words := fmt.Sprintf("No %d.", i)
		respond(to, id, words)
		if got, want := acted[to.id](), fmt.Sprintf(`{viewerActed:{status:"DENIED",question:%q,requester:{email:null},owner:{email:%q}}}`, question, lower(to.name)+"@"); got != want {
			t.Errorf("%s acted %s, want %s", to.name, got, want)
		}
		if got, want := answered[asker.id](), fmt.Sprintf(`{knowledgeRequestAnswered:{responseContent:%q,requester:{name:"Asker"}}}`, words); got != want {
			t.Errorf("the asker is answered %s, want %s", got, want)
		}
		if got, want := notified[asker.id](), fmt.Sprintf(`{notificationReceived:{kind:"KNOWLEDGE_RESPONSE",request:{question:%q}}}`, question); got != want {
			t.Errorf("the asker is notified of %s, want %s", got, want)
		}
	}
	// And whoever was answered nothing so far hears only of what comes now.
	for _, p := range four[:3] {
		respond(asker, ask(p, asker, "Now?"), "Now, "+p.name)
		if got, want := answered[p.id](), fmt.Sprintf(`{knowledgeRequestAnswered:{responseContent:"Now, %s",requester:{name:%q}}}`, p.name, p.name); got != want {
			t.Errorf("%s is answered %s, want %s", p.name, got, want)
		}
	}

	// New items are for everybody, their content is not.
	s.keep(s.owner, "Leaves", "the secret of leaves")
	for _, p := range four {
		want := `{knowledgePublished:{title:"Leaves",content:null,owner:{name:"Owner",email:null}}}`
		if p == s.owner {
			want = `{knowledgePublished:{title:"Leaves",content:"the secret of leaves",owner:{name:"Owner",email:"owner@"}}}`
		}
		if got := published[p.id](); got != want {
			t.Errorf("%s gets %s, want %s", p.name, got, want)
		}
	}
}

// lower is how outcome writes the addresses of the scene's people.
func lower(name string) string {
	return map[string]string{"Stranger": "stranger", "Requester": "requester", "Owner": "owner"}[name]
}

func TestAdministratorsSeeAndEndSubscriptions(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) {
		p.Graph = graph.Settings{RequestsPerMinute: 10, Administrators: []string{" ADMIN0@example.com"}}
	})
	admin := h.person("Admin") // admin0@example.com
	ada := h.person("Ada")
	const subscription = `subscription { knowledgePublished { id } }`
	first := h.ask(ada, subscription).header.Get("X-Subscription-ID")
	second := h.ask(ada, subscription).header.Get("X-Subscription-ID")

	type listed struct {
		StoredSubscriptions struct {
			TotalCount int
			Edges      []struct {
				Node struct {
					ID, State, Topic, Field, Channel string
					User                             struct{ Name string }
					ClosedReason                     *string
				}
			}
		}
	}
	list := func(arguments string) listed {
		t.Helper()
		var got listed
		h.ask(admin, `{ storedSubscriptions`+arguments+` { totalCount edges { node { id state topic field channel user { name } closedReason } } } }`).into(&got)
		return got
	}
	all := list("")
	if all.StoredSubscriptions.TotalCount != 2 || all.StoredSubscriptions.Edges[0].Node.Channel != second || all.StoredSubscriptions.Edges[1].Node.Channel != first {
		t.Fatalf("listed are %+v, want %s and %s", all, second, first)
	}
	node := all.StoredSubscriptions.Edges[0].Node
	if node.State != "PENDING" || node.Topic != "KNOWLEDGE_PUBLISHED" || node.Field != "knowledgePublished" || node.User.Name != "Ada" {
		t.Errorf("listed is %+v", node)
	}
	end := fmt.Sprintf(`mutation { endSubscription(input: {id: %q}) { endedId } }`, node.ID)
	h.ask(ada, end).rejected("FORBIDDEN")
	if got := h.ask(admin, end); len(got.Errors) > 0 {
		t.Fatalf("ending is answered %s", got.body)
	}
	h.ask(admin, end).rejected("NOT_FOUND")
	if got := list("(state: PENDING)"); got.StoredSubscriptions.TotalCount != 1 || got.StoredSubscriptions.Edges[0].Node.Channel != first {
		t.Errorf("pending are %+v", got)
	}
	if got := list(`(state: CLOSED, topic: "KNOWLEDGE_PUBLISHED")`); got.StoredSubscriptions.TotalCount != 1 || got.StoredSubscriptions.Edges[0].Node.Channel != second ||
		got.StoredSubscriptions.Edges[0].Node.ClosedReason == nil {
		t.Errorf("closed are %+v", got)
	}
	if got := list(`(topic: "nothing")`); got.StoredSubscriptions.TotalCount != 0 {
		t.Errorf("of no such topic are %+v", got)
	}
}
