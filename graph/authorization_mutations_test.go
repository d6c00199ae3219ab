package graph_test

import "testing"

// The second part of the authorization table: the outcome of each mutation for nobody, a stranger, the requester and
// the owner, each in a scene of its own. A rejected mutation leaves every row as it was.
var mutations = []row{
	// Accounts.
	{
		`mutation { signUp(input: {name: "New", email: "new@example.com", password: "long enough", session: TOKEN}) ` +
			`{ viewer { email user { email } } user { name email } token expiresAt } }`,
		`{signUp:{viewer:{email:"new@example.com",user:{email:"new@example.com"}},user:{name:"New",email:"new@example.com"},token:SECRET,expiresAt:T}}`,
		`BAD_USER_INPUT:email`, // taken by the one before: whoever is signed in already may make an account too
		same,
		same,
	},
	{
		`mutation { signIn(input: {email: "new@example.com", password: "long enough", session: TOKEN}) ` +
			`{ viewer { email user { email } } user { name email } token expiresAt } }`,
		`{signIn:{viewer:{email:"new@example.com",user:{email:"new@example.com"}},user:{name:"New",email:"new@example.com"},token:SECRET,expiresAt:T}}`,
		same,
		same,
		same,
	},
	{`mutation { signOut { signedOut } }`, `{signOut:{signedOut:false}}`, `{signOut:{signedOut:true}}`, same, same},

	// Knowledge.
	{
		`mutation { createKnowledge(input: {title: "Seeds", content: "sown"}) { knowledge { title content owner { name } } knowledgeEdge { cursor node { title content } } } }`,
		`UNAUTHENTICATED`,
		`{createKnowledge:{knowledge:{title:"Seeds",content:"sown",owner:{name:"Stranger"}},knowledgeEdge:{cursor:C,node:{title:"Seeds",content:"sown"}}}}`,
		`{createKnowledge:{knowledge:{title:"Seeds",content:"sown",owner:{name:"Requester"}},knowledgeEdge:{cursor:C,node:{title:"Seeds",content:"sown"}}}}`,
		`{createKnowledge:{knowledge:{title:"Seeds",content:"sown",owner:{name:"Owner"}},knowledgeEdge:{cursor:C,node:{title:"Seeds",content:"sown"}}}}`,
	},
	{
		`mutation { updateKnowledge(input: {id: $shared, title: "Sprouts", content: "green"}) { knowledge { id title content } } }`,
		`UNAUTHENTICATED`,
		`FORBIDDEN`,
		same,
		`{updateKnowledge:{knowledge:{id:$shared,title:"Sprouts",content:"green"}}}`,
	},
	{
		`mutation { updateKnowledge(input: {id: $shared, content: "green"}) { knowledge { title content } } }`,
		`UNAUTHENTICATED`,
		`FORBIDDEN`,
		same,
		`{updateKnowledge:{knowledge:{title:"Shoots",content:"green"}}}`,
	},
	{`mutation { updateKnowledge(input: {id: $own}) { knowledge { id } } }`, `UNAUTHENTICATED`, `{updateKnowledge:{knowledge:{id:$own}}}`, `FORBIDDEN`, same},
	{`mutation { updateKnowledge(input: {id: 4294999999, title: "x"}) { knowledge { id } } }`, `UNAUTHENTICATED`, `NOT_FOUND`, same, same},
	{`mutation { updateKnowledge(input: {id: $pending, title: "x"}) { knowledge { id } } }`, `UNAUTHENTICATED`, `NOT_FOUND`, same, same},
	{`mutation { deleteKnowledge(input: {id: $item}) { deletedId } }`, `UNAUTHENTICATED`, `FORBIDDEN`, same, `{deleteKnowledge:{deletedId:$item}}`},
	{`mutation { deleteKnowledge(input: {id: $shared}) { deletedId } }`, `UNAUTHENTICATED`, `FORBIDDEN`, same, `{deleteKnowledge:{deletedId:$shared}}`},
	{`mutation { deleteKnowledge(input: {id: 4294999999}) { deletedId } }`, `UNAUTHENTICATED`, `NOT_FOUND`, same, same},
	{`mutation { deleteKnowledge(input: {id: $pending}) { deletedId } }`, `UNAUTHENTICATED`, `NOT_FOUND`, same, same},
	{`mutation { deleteKnowledge(input: {id: $content}) { deletedId } }`, `UNAUTHENTICATED`, `NOT_FOUND`, same, same},
	// As it was before there was an input.
	{`mutation { deleteKnowledge(id: $item) { deletedId } }`, `UNAUTHENTICATED`, `FORBIDDEN`, same, `{deleteKnowledge:{deletedId:$item}}`},
	{`mutation { deleteKnowledge(id: $item, input: null) { deletedId } }`, `UNAUTHENTICATED`, `FORBIDDEN`, same, `{deleteKnowledge:{deletedId:$item}}`},
	{`mutation { deleteKnowledge(id: $item, input: {id: $item}) { deletedId } }`, `UNAUTHENTICATED`, `BAD_USER_INPUT:input`, same, same},
	{`mutation { deleteKnowledge { deletedId } }`, `UNAUTHENTICATED`, `BAD_USER_INPUT:input`, same, same},

	// Subscriptions.
	{`mutation { endSubscription(input: {id: 30064771073}) { endedId } }`, `UNAUTHENTICATED`, `FORBIDDEN`, same, same},

	// Requests.
	{
		`mutation { createKnowledgeRequest(input: {knowledgeId: $item, question: "Me too?"}) ` +
			`{ alreadyExists knowledgeRequest { question status requester { email } owner { id email } knowledge { id content } } } }`,
		`UNAUTHENTICATED`,
		`{createKnowledgeRequest:{alreadyExists:false,knowledgeRequest:{question:"Me too?",status:"PENDING",` +
			`requester:{email:"stranger@"},owner:{id:$owner,email:null},knowledge:{id:$item,content:null}}}}`,
		`{createKnowledgeRequest:{alreadyExists:true,knowledgeRequest:{question:"May I read Roots?",status:"PENDING",` +
			`requester:{email:"requester@"},owner:{id:$owner,email:null},knowledge:{id:$item,content:null}}}}`,
		`OWN_KNOWLEDGE`,
	},
	{
		`mutation { createKnowledgeRequest(input: {knowledgeId: $shared, question: "Me too?"}) { alreadyExists } }`,
		`UNAUTHENTICATED`,
		`{createKnowledgeRequest:{alreadyExists:false}}`,
		`ALREADY_SHARED`,
		`OWN_KNOWLEDGE`,
	},
	{
		`mutation { createKnowledgeRequest(input: {ownerId: $owner, question: "What else is there?"}) ` +
			`{ alreadyExists knowledgeRequest { owner { id } knowledge { id } } knowledgeRequestEdge { cursor node { owner { id } } } } }`,
		`UNAUTHENTICATED`,
		`{createKnowledgeRequest:{alreadyExists:false,knowledgeRequest:{owner:{id:$owner},knowledge:null},` +
			`knowledgeRequestEdge:{cursor:C,node:{owner:{id:$owner}}}}}`,
		same,
		`OWN_KNOWLEDGE`,
	},
	{`mutation { createKnowledgeRequest(input: {knowledgeId: 4294999999, question: "?"}) { alreadyExists } }`, `UNAUTHENTICATED`, `NOT_FOUND`, same, same},
	{`mutation { createKnowledgeRequest(input: {knowledgeId: $pending, question: "?"}) { alreadyExists } }`, `UNAUTHENTICATED`, `NOT_FOUND`, same, same},
	{`mutation { createKnowledgeRequest(input: {ownerId: 999, question: "?"}) { alreadyExists } }`, `UNAUTHENTICATED`, `NOT_FOUND`, same, same},
	{`mutation { createKnowledgeRequest(input: {ownerId: $item, question: "?"}) { alreadyExists } }`, `UNAUTHENTICATED`, `NOT_FOUND`, same, same},
	{
		`mutation { respondToRequest(input: {requestId: $pending, status: APPROVED, responseContent: "Here."}) ` +
			`{ knowledgeRequest { id status responseContent respondedAt requester { email } owner { email } knowledge { content } } } }`,
		`UNAUTHENTICATED`,
		`NOT_FOUND`,
		`FORBIDDEN`,
		`{respondToRequest:{knowledgeRequest:{id:$pending,status:"APPROVED",responseContent:"Here.",respondedAt:T,` +
			`requester:{email:null},owner:{email:"owner@"},knowledge:{content:"the secret of roots"}}}}`,
	},
	{
		`mutation { respondToRequest(input: {requestId: $pending, status: DENIED}) { knowledgeRequest { status responseContent } } }`,
		`UNAUTHENTICATED`,
		`NOT_FOUND`,
		`FORBIDDEN`,
		`{respondToRequest:{knowledgeRequest:{status:"DENIED",responseContent:null}}}`,
	},
	{
		`mutation { respondToRequest(input: {requestId: $approved, status: DENIED}) { knowledgeRequest { id } } }`,
		`UNAUTHENTICATED`, `NOT_FOUND`, `FORBIDDEN`, `ALREADY_ANSWERED`,
	},
	{
		`mutation { respondToRequest(input: {requestId: 12884999999, status: DENIED}) { knowledgeRequest { id } } }`,
		`UNAUTHENTICATED`, `NOT_FOUND`, same, same,
	},
	{
		`mutation { respondToRequest(input: {requestId: $item, status: DENIED}) { knowledgeRequest { id } } }`,
		`UNAUTHENTICATED`, `NOT_FOUND`, same, same,
	},

	// Notifications: an answer does not even show that those of other people exist.
	{
		`mutation { markNotificationsRead(input: {ids: [$asked, $granted]}) { marked unreadCount } }`,
		`UNAUTHENTICATED`,
		`{markNotificationsRead:{marked:0,unreadCount:0}}`,
		`{markNotificationsRead:{marked:1,unreadCount:1}}`,
		`{markNotificationsRead:{marked:1,unreadCount:2}}`,
	},
	{
		`mutation { markNotificationsRead(input: {upTo: $denied}) { marked unreadCount } }`,
		`UNAUTHENTICATED`,
		`{markNotificationsRead:{marked:0,unreadCount:0}}`,
		`{markNotificationsRead:{marked:2,unreadCount:0}}`,
		`{markNotificationsRead:{marked:3,unreadCount:0}}`,
	},
}

func TestEachMutationObeysEachPersonInWhatIsTheirs(t *testing.T) {
	t.Parallel()
	h := build(t)
	for _, row := range mutations {
		t.Run(title(row.operation), func(t *testing.T) {
			var s *scene
			row.cells(func(who, want string) {
				if s == nil {
					s = h.set()
				}
				before := h.rows()
				a := s.perform(s.who(who), row.operation)
				if got := s.outcome(a); got != want {
					t.Errorf("%s\n gets %s\n want %s", who, got, want)
				}
				switch written := h.rows() != before; {
				case written && len(a.Errors) > 0:
					t.Errorf("%s is rejected with %s, and something is written", who, a.code())
				case written:
					s = nil // the next one gets a scene of their own
				}
			})
		})
	}
}
