package graph_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"lorebridge/graph"
)

// The authorization table: what each query, filter, order, edge and nested field comes to for nobody, a stranger, the
// requester and the owner, in a scene (see there). TestEveryFieldOfTheSchemaHasARow keeps it complete.
var queries = []row{
	{
		`{ me { id name email createdAt } }`,
		`{me:null}`,
		`{me:{id:$stranger,name:"Stranger",email:"stranger@",createdAt:T}}`,
		`{me:{id:$requester,name:"Requester",email:"requester@",createdAt:T}}`,
		`{me:{id:$owner,name:"Owner",email:"owner@",createdAt:T}}`,
	},
	{
		`{ viewer { email user { id name email createdAt } } }`,
		`{viewer:null}`,
		`{viewer:{email:"stranger@",user:{id:$stranger,name:"Stranger",email:"stranger@",createdAt:T}}}`,
		`{viewer:{email:"requester@",user:{id:$requester,name:"Requester",email:"requester@",createdAt:T}}}`,
		`{viewer:{email:"owner@",user:{id:$owner,name:"Owner",email:"owner@",createdAt:T}}}`,
	},

	// Any object by its id, of every range of ids.
	{
		`{ node(id: $owner) { __typename id ... on User { name email createdAt } } }`,
		`UNAUTHENTICATED`,
		`{node:{__typename:"User",id:$owner,name:"Owner",email:null,createdAt:T}}`,
		same,
		`{node:{__typename:"User",id:$owner,name:"Owner",email:"owner@",createdAt:T}}`,
	},
	{
		`{ node(id: $item) { ... on Knowledge { id title content owner { id name email } createdAt updatedAt } } }`,
		`UNAUTHENTICATED`,
		`{node:{id:$item,title:"Roots",content:null,owner:{id:$owner,name:"Owner",email:null},createdAt:T,updatedAt:T}}`,
		same,
		`{node:{id:$item,title:"Roots",content:"the secret of roots",owner:{id:$owner,name:"Owner",email:"owner@"},createdAt:T,updatedAt:T}}`,
	},
	{
		`{ node(id: $shared) { ... on Knowledge { title content } } }`,
		`UNAUTHENTICATED`,
		`{node:{title:"Shoots",content:null}}`,
		`{node:{title:"Shoots",content:"the secret of shoots"}}`,
		same,
	},
	{
		`{ node(id: $pending) { ... on KnowledgeRequest { id question status responseContent createdAt respondedAt } } }`,
		`UNAUTHENTICATED`,
		`NOT_FOUND`,
		`{node:{id:$pending,question:"May I read Roots?",status:"PENDING",responseContent:null,createdAt:T,respondedAt:null}}`,
		same,
	},
	{
		`{ node(id: $pending) { ... on KnowledgeRequest { requester { id email } owner { id email } knowledge { id content } } } }`,
		`UNAUTHENTICATED`,
		`NOT_FOUND`,
		`{node:{requester:{id:$requester,email:"requester@"},owner:{id:$owner,email:null},knowledge:{id:$item,content:null}}}`,
		`{node:{requester:{id:$requester,email:null},owner:{id:$owner,email:"owner@"},knowledge:{id:$item,content:"the secret of roots"}}}`,
	},
	{
		`{ node(id: $approved) { ... on KnowledgeRequest { status responseContent respondedAt knowledge { content } } } }`,
		`UNAUTHENTICATED`,
		`NOT_FOUND`,
		`{node:{status:"APPROVED",responseContent:"You may.",respondedAt:T,knowledge:{content:"the secret of shoots"}}}`,
		same,
	},
	{
		`{ node(id: $free) { ... on KnowledgeRequest { status responseContent knowledge { id } } } }`,
		`UNAUTHENTICATED`,
		`NOT_FOUND`,
		`{node:{status:"DENIED",responseContent:"Nothing.",knowledge:null}}`,
		same,
	},
	{
		`{ node(id: $asked) { __typename ... on Notification { id kind readAt createdAt request { id } } } }`,
		`UNAUTHENTICATED`,
		`NOT_FOUND`,
		same,
		`{node:{__typename:"Notification",id:$asked,kind:"KNOWLEDGE_REQUEST",readAt:null,createdAt:T,request:{id:$pending}}}`,
	},
	{
		`{ node(id: $granted) { ... on Notification { kind request { id responseContent } } } }`,
		`UNAUTHENTICATED`,
		`NOT_FOUND`,
		`{node:{kind:"KNOWLEDGE_RESPONSE",request:{id:$approved,responseContent:"You may."}}}`,
		`NOT_FOUND`,
	},
	{`{ node(id: $content) { __typename id } }`, `UNAUTHENTICATED`, `NOT_FOUND`, same, same},
	{`{ node(id: $share) { __typename id } }`, `UNAUTHENTICATED`, `NOT_FOUND`, same, same},
	{`{ node(id: $session) { __typename id } }`, `UNAUTHENTICATED`, `NOT_FOUND`, same, same},

	// People.
	{
		`{ users { totalCount edges { node { id name createdAt } } } }`,
		`UNAUTHENTICATED`,
		`{users:{totalCount:3,edges:[{node:{id:$owner,name:"Owner",createdAt:T}},` +
			`{node:{id:$requester,name:"Requester",createdAt:T}},{node:{id:$stranger,name:"Stranger",createdAt:T}}]}}`,
		same,
		same,
	},
	{
		`{ users { edges { node { email } } } }`,
		`UNAUTHENTICATED`,
		`{users:{edges:[{node:{email:null}},{node:{email:null}},{node:{email:"stranger@"}}]}}`,
		`{users:{edges:[{node:{email:null}},{node:{email:"requester@"}},{node:{email:null}}]}}`,
		`{users:{edges:[{node:{email:"owner@"}},{node:{email:null}},{node:{email:null}}]}}`,
	},
	{
		`{ users(last: 1) { pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor } } }`,
		`UNAUTHENTICATED`,
		`{users:{pageInfo:{hasNextPage:false,hasPreviousPage:true,startCursor:C,endCursor:C},edges:[{cursor:C}]}}`,
		same,
		same,
	},
	{`{ users(search: "oWn") { totalCount edges { node { id } } } }`, `UNAUTHENTICATED`, `{users:{totalCount:1,edges:[{node:{id:$owner}}]}}`, same, same},
	{`{ users(search: "@example.com") { totalCount edges { node { id } } } }`, `UNAUTHENTICATED`, `{users:{totalCount:0,edges:[]}}`, same, same},
	{
		`{ users(orderBy: {field: CREATED_AT, direction: DESC}, first: 1) { totalCount edges { node { id } } } }`,
		`UNAUTHENTICATED`, `{users:{totalCount:3,edges:[{node:{id:$owner}}]}}`, same, same,
	},
	{`{ users(orderBy: {field: EMAIL}) { totalCount } }`, `GRAPHQL_VALIDATION_FAILED`, same, same, same},
	{`{ users(where: {email: "owner@example.com"}) { totalCount } }`, `GRAPHQL_VALIDATION_FAILED`, same, same, same},
	{`{ users { edges { node { passwordHash } } } }`, `GRAPHQL_VALIDATION_FAILED`, same, same, same},

	// Knowledge: titles for all, content for those who may read it.
	{
		`{ knowledge { totalCount edges { node { id title createdAt updatedAt } } } }`,
		`UNAUTHENTICATED`,
		`{knowledge:{totalCount:3,edges:[{node:{id:$own,title:"Fruits",createdAt:T,updatedAt:T}},` +
			`{node:{id:$shared,title:"Shoots",createdAt:T,updatedAt:T}},{node:{id:$item,title:"Roots",createdAt:T,updatedAt:T}}]}}`,
		same,
		same,
	},
	{
		`{ knowledge { edges { node { content owner { email } } } } }`,
		`UNAUTHENTICATED`,
		`{knowledge:{edges:[{node:{content:"the secret of fruits",owner:{email:"stranger@"}}},` +
			`{node:{content:null,owner:{email:null}}},{node:{content:null,owner:{email:null}}}]}}`,
		`{knowledge:{edges:[{node:{content:null,owner:{email:null}}},` +
			`{node:{content:"the secret of shoots",owner:{email:null}}},{node:{content:null,owner:{email:null}}}]}}`,
		`{knowledge:{edges:[{node:{content:null,owner:{email:null}}},` +
			`{node:{content:"the secret of shoots",owner:{email:"owner@"}}},{node:{content:"the secret of roots",owner:{email:"owner@"}}}]}}`,
	},
	{
		`{ knowledge(first: 1) { pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor } } }`,
		`UNAUTHENTICATED`,
		`{knowledge:{pageInfo:{hasNextPage:true,hasPreviousPage:false,startCursor:C,endCursor:C},edges:[{cursor:C}]}}`,
		same,
		same,
	},
	{`{ knowledge(search: "secret") { totalCount } }`, `UNAUTHENTICATED`, `{knowledge:{totalCount:0}}`, same, same},
	{
		`{ knowledge(search: "OOTS", orderBy: {field: TITLE}) { totalCount edges { node { content } } } }`,
		`UNAUTHENTICATED`,
		`{knowledge:{totalCount:2,edges:[{node:{content:null}},{node:{content:null}}]}}`,
		`{knowledge:{totalCount:2,edges:[{node:{content:null}},{node:{content:"the secret of shoots"}}]}}`,
		`{knowledge:{totalCount:2,edges:[{node:{content:"the secret of roots"}},{node:{content:"the secret of shoots"}}]}}`,
	},
	{
		`{ knowledge(where: {ownerId: $owner, createdAtGTE: "2000-01-01T00:00:00Z", createdAtLT: "2999-01-01T00:00:00Z"}) { totalCount edges { node { id content } } } }`,
		`UNAUTHENTICATED`,
		`{knowledge:{totalCount:2,edges:[{node:{id:$shared,content:null}},{node:{id:$item,content:null}}]}}`,
		`{knowledge:{totalCount:2,edges:[{node:{id:$shared,content:"the secret of shoots"}},{node:{id:$item,content:null}}]}}`,
		`{knowledge:{totalCount:2,edges:[{node:{id:$shared,content:"the secret of shoots"}},{node:{id:$item,content:"the secret of roots"}}]}}`,
	},
	{
		`{ knowledge(where: {ownerIdNEQ: $owner, updatedAtGTE: "2000-01-01T00:00:00Z"}, orderBy: {field: UPDATED_AT}) { totalCount edges { node { id content } } } }`,
		`UNAUTHENTICATED`,
		`{knowledge:{totalCount:1,edges:[{node:{id:$own,content:"the secret of fruits"}}]}}`,
		`{knowledge:{totalCount:1,edges:[{node:{id:$own,content:null}}]}}`,
		same,
	},
	{`{ knowledge(orderBy: {field: CONTENT}) { totalCount } }`, `GRAPHQL_VALIDATION_FAILED`, same, same, same},
	{`{ knowledge(where: {hasContent: true}) { totalCount } }`, `GRAPHQL_VALIDATION_FAILED`, same, same, same},
	{`{ knowledge(where: {hasSharesWith: [{sharedWithID: $requester}]}) { totalCount } }`, `GRAPHQL_VALIDATION_FAILED`, same, same, same},
	{`{ knowledge { edges { node { shares { id } } } } }`, `GRAPHQL_VALIDATION_FAILED`, same, same, same},

	// Requests: for anybody but the two they do not exist.
	{
		`{ knowledgeRequests(box: RECEIVED) { totalCount edges { node { id } } } }`,
		`UNAUTHENTICATED`,
		`{knowledgeRequests:{totalCount:0,edges:[]}}`,
		same,
		`{knowledgeRequests:{totalCount:3,edges:[{node:{id:$pending}},{node:{id:$free}},{node:{id:$approved}}]}}`,
	},
	{
		`{ knowledgeRequests(box: SENT) { totalCount edges { node { id } } } }`,
		`UNAUTHENTICATED`,
		`{knowledgeRequests:{totalCount:0,edges:[]}}`,
		`{knowledgeRequests:{totalCount:3,edges:[{node:{id:$pending}},{node:{id:$free}},{node:{id:$approved}}]}}`,
		`{knowledgeRequests:{totalCount:0,edges:[]}}`,
	},
	{
		`{ knowledgeRequests(box: RECEIVED) { edges { node { requester { email } owner { email } knowledge { content } } } } }`,
		`UNAUTHENTICATED`,
		`{knowledgeRequests:{edges:[]}}`,
		same,
		`{knowledgeRequests:{edges:[{node:{requester:{email:null},owner:{email:"owner@"},knowledge:{content:"the secret of roots"}}},` +
			`{node:{requester:{email:null},owner:{email:"owner@"},knowledge:null}},` +
			`{node:{requester:{email:null},owner:{email:"owner@"},knowledge:{content:"the secret of shoots"}}}]}}`,
	},
	{
		`{ knowledgeRequests(box: SENT) { edges { node { requester { email } owner { email } knowledge { content } } } } }`,
		`UNAUTHENTICATED`,
		`{knowledgeRequests:{edges:[]}}`,
		`{knowledgeRequests:{edges:[{node:{requester:{email:"requester@"},owner:{email:null},knowledge:{content:null}}},` +
			`{node:{requester:{email:"requester@"},owner:{email:null},knowledge:null}},` +
			`{node:{requester:{email:"requester@"},owner:{email:null},knowledge:{content:"the secret of shoots"}}}]}}`,
		`{knowledgeRequests:{edges:[]}}`,
	},
	{
		`{ knowledgeRequests(box: RECEIVED, first: 1) { pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor } } }`,
		`UNAUTHENTICATED`,
		`{knowledgeRequests:{pageInfo:{hasNextPage:false,hasPreviousPage:false,startCursor:null,endCursor:null},edges:[]}}`,
		same,
		`{knowledgeRequests:{pageInfo:{hasNextPage:true,hasPreviousPage:false,startCursor:C,endCursor:C},edges:[{cursor:C}]}}`,
	},
	{
		`{ knowledgeRequests(box: RECEIVED, status: PENDING) { totalCount edges { node { id } } } }`,
		`UNAUTHENTICATED`,
		`{knowledgeRequests:{totalCount:0,edges:[]}}`,
		same,
		`{knowledgeRequests:{totalCount:1,edges:[{node:{id:$pending}}]}}`,
	},
	{
		`{ knowledgeRequests(box: SENT, status: APPROVED, orderBy: {field: CREATED_AT}) { totalCount edges { node { id } } } }`,
		`UNAUTHENTICATED`,
		`{knowledgeRequests:{totalCount:0,edges:[]}}`,
		`{knowledgeRequests:{totalCount:1,edges:[{node:{id:$approved}}]}}`,
		`{knowledgeRequests:{totalCount:0,edges:[]}}`,
	},
	{
		`{ knowledgeRequests(box: RECEIVED, where: {knowledgeId: $item, createdAtGTE: "2000-01-01T00:00:00Z"}) { totalCount edges { node { id } } } }`,
		`UNAUTHENTICATED`,
		`{knowledgeRequests:{totalCount:0,edges:[]}}`,
		same,
		`{knowledgeRequests:{totalCount:1,edges:[{node:{id:$pending}}]}}`,
	},
	{
		`{ knowledgeRequests(box: SENT, where: {knowledgeId: $item, createdAtLT: "2999-01-01T00:00:00Z"}) { totalCount edges { node { id } } } }`,
		`UNAUTHENTICATED`,
		`{knowledgeRequests:{totalCount:0,edges:[]}}`,
		`{knowledgeRequests:{totalCount:1,edges:[{node:{id:$pending}}]}}`,
		`{knowledgeRequests:{totalCount:0,edges:[]}}`,
	},
	{`{ knowledgeRequests(box: SENT, where: {requesterID: $requester}) { totalCount } }`, `GRAPHQL_VALIDATION_FAILED`, same, same, same},
	{`{ knowledgeRequests(box: SENT, where: {or: [{knowledgeId: $item}]}) { totalCount } }`, `GRAPHQL_VALIDATION_FAILED`, same, same, same},
	{`{ knowledgeRequests(box: SENT, orderBy: {field: QUESTION}) { totalCount } }`, `GRAPHQL_VALIDATION_FAILED`, same, same, same},
	{`{ knowledgeRequests { totalCount } }`, `GRAPHQL_VALIDATION_FAILED`, same, same, same},

	// Notifications: each person's own.
	{
		`{ notifications { totalCount unreadCount edges { node { id kind createdAt readAt } } } }`,
		`UNAUTHENTICATED`,
		`{notifications:{totalCount:0,unreadCount:0,edges:[]}}`,
		`{notifications:{totalCount:2,unreadCount:2,edges:[{node:{id:$denied,kind:"KNOWLEDGE_RESPONSE",createdAt:T,readAt:null}},` +
			`{node:{id:$granted,kind:"KNOWLEDGE_RESPONSE",createdAt:T,readAt:null}}]}}`,
		`{notifications:{totalCount:3,unreadCount:3,edges:[{node:{id:$asked,kind:"KNOWLEDGE_REQUEST",createdAt:T,readAt:null}},` +
			`{node:{id:$asked2,kind:"KNOWLEDGE_REQUEST",createdAt:T,readAt:null}},` +
			`{node:{id:$asked1,kind:"KNOWLEDGE_REQUEST",createdAt:T,readAt:null}}]}}`,
	},
	{
		`{ notifications { edges { node { request { id requester { email } owner { email } knowledge { content } } } } } }`,
		`UNAUTHENTICATED`,
		`{notifications:{edges:[]}}`,
		`{notifications:{edges:[{node:{request:{id:$free,requester:{email:"requester@"},owner:{email:null},knowledge:null}}},` +
			`{node:{request:{id:$approved,requester:{email:"requester@"},owner:{email:null},knowledge:{content:"the secret of shoots"}}}}]}}`,
		`{notifications:{edges:[{node:{request:{id:$pending,requester:{email:null},owner:{email:"owner@"},knowledge:{content:"the secret of roots"}}}},` +
			`{node:{request:{id:$free,requester:{email:null},owner:{email:"owner@"},knowledge:null}}},` +
			`{node:{request:{id:$approved,requester:{email:null},owner:{email:"owner@"},knowledge:{content:"the secret of shoots"}}}}]}}`,
	},
	{
		`{ notifications(unreadOnly: true, orderBy: {field: CREATED_AT}, first: 1) { totalCount unreadCount ` +
			`pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { id } } } }`,
		`UNAUTHENTICATED`,
		`{notifications:{totalCount:0,unreadCount:0,pageInfo:{hasNextPage:false,hasPreviousPage:false,startCursor:null,endCursor:null},edges:[]}}`,
		`{notifications:{totalCount:2,unreadCount:2,pageInfo:{hasNextPage:true,hasPreviousPage:false,startCursor:C,endCursor:C},` +
			`edges:[{cursor:C,node:{id:$denied}}]}}`,
		`{notifications:{totalCount:3,unreadCount:3,pageInfo:{hasNextPage:true,hasPreviousPage:false,startCursor:C,endCursor:C},` +
			`edges:[{cursor:C,node:{id:$asked}}]}}`,
	},
	{`{ notifications(where: {recipientID: $owner}) { totalCount } }`, `GRAPHQL_VALIDATION_FAILED`, same, same, same},
	{`{ notifications { edges { node { payload } } } }`, `GRAPHQL_VALIDATION_FAILED`, same, same, same},

	// Everybody's subscriptions, for administrators.
	{
		`{ storedSubscriptions(state: LIVE, topic: "KNOWLEDGE_PUBLISHED", orderBy: {field: CREATED_AT}) { totalCount ` +
			`pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { id user { name } state topic field ` +
			`channel createdAt authorizedAt lastDeliveredAt lastError expiresAt closedAt closedReason } } } }`,
		`UNAUTHENTICATED`, `FORBIDDEN`, same, same,
	},
	{`{ storedSubscriptions { edges { node { document } } } }`, `GRAPHQL_VALIDATION_FAILED`, same, same, same},
	{`{ node(id: 30064771073) { id } }`, `UNAUTHENTICATED`, `NOT_FOUND`, same, same},

	// The channel of each, and of nobody else.
	{
		`{ realtime { channel } }`,
		`UNAUTHENTICATED`,
		`{realtime:{channel:"private-user-1"}}`,
		`{realtime:{channel:"private-user-2"}}`,
		`{realtime:{channel:"private-user-3"}}`,
	},
	{
		`{ realtime { key cluster host port tls authEndpoint noticeChannel } }`,
		`UNAUTHENTICATED`,
		`{realtime:{key:"key",cluster:null,host:"lore.example.com",port:443,tls:true,authEndpoint:"/pusher/auth",noticeChannel:null}}`,
		same,
		same,
	},
}

func TestEachQueryShowsEachPersonWhatIsTheirs(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) { p.Auth.PublicURL = "https://lore.example.com" })
	s := h.set()
	before := h.rows()
	for _, row := range queries {
		t.Run(title(row.operation), func(t *testing.T) {
			row.cells(func(who, want string) {
				if got := s.outcome(s.perform(s.who(who), row.operation)); got != want {
					t.Errorf("%s\n gets %s\n want %s", who, got, want)
				}
			})
		})
	}
	if h.rows() != before {
		t.Error("a query has written something")
	}
}

// TestEveryFieldOfTheSchemaHasARow fails when a field can be asked for and no row of the tables asks for it.
func TestEveryFieldOfTheSchemaHasARow(t *testing.T) {
	t.Parallel()
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	covered := make(map[string]bool)
	for _, row := range slices.Concat(queries, mutations, subscriptions) {
		document, err := gqlparser.LoadQueryWithRules(schema, fill(row.operation), rules.NewDefaultRules())
		if err != nil {
			continue // a row about what the schema does not have
		}
		observers := &validator.Events{}
		observers.OnField(func(_ *validator.Walker, field *ast.Field) {
			covered[field.ObjectDefinition.Name+"."+field.Name] = true
		})
		validator.Walk(schema, document, observers)
	}
	for name, definition := range schema.Types {
		if definition.Kind != ast.Object || definition.BuiltIn {
			continue
		}
		for _, field := range definition.Fields {
			if key := name + "." + field.Name; field.Name[0] != '_' && !covered[key] {
				t.Errorf("%s is in no row of the authorization table", key)
			}
		}
	}
}

// fill puts any id in place of the scene's names.
func fill(operation string) string {
	return named.ReplaceAllStringFunc(operation, func(name string) string { return strconv.Itoa(len(name)) })
}
