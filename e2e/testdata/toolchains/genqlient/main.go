// Command genqlient uses what genqlient generated for operations.graphql, against the server that it is given.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/Khan/genqlient/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"genqlient/api"
)

// bearer sends the token with each request, once there is one.
type bearer struct{ token string }

func (b *bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	if b.token != "" {
		request.Header.Set("Authorization", "Bearer "+b.token)
	}
	return http.DefaultTransport.RoundTrip(request)
}

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, url string) error {
	session := &bearer{}
	client := graphql.NewClient(url+"/graphql", &http.Client{Transport: session})
	signedUp, err := api.SignUp(ctx, client, api.SignUpInput{
		Name: "Gen", Email: "gen@example.com", Password: "correct horse", Session: api.SessionKindToken,
	})
	if err != nil {
		return fmt.Errorf("sign up: %w", err)
	}
	session.token = *signedUp.SignUp.Token
	made, err := api.CreateKnowledge(ctx, client, api.CreateKnowledgeInput{Title: "Bark", Content: "rough"})
	if err != nil {
		return fmt.Errorf("create an item: %w", err)
	}
	node := made.CreateKnowledge.KnowledgeEdge.Node
	found, err := api.Node(ctx, client, node.Id)
	if err != nil {
		return fmt.Errorf("find the item: %w", err)
	}
	item, is := (*found.Node).(*api.NodeNodeKnowledge)
	if !is {
		return fmt.Errorf("the item is a %T", *found.Node)
	}
	// The null beside the id is taken, and the request for one's own item refused.
	asked, err := api.Ask(ctx, client, api.CreateKnowledgeRequestInput{KnowledgeId: &node.Id, Question: "?"})
	var refused gqlerror.List
	if !errors.As(err, &refused) {
		return fmt.Errorf("ask: %w", err)
	}
	fmt.Printf("asking oneself: %s, without a value: %t\n", refused[0].Extensions["code"], asked.CreateKnowledgeRequest == nil)
	first := 5
	list, err := api.Notifications(ctx, client, &first, nil)
	if err != nil {
		return fmt.Errorf("list notifications: %w", err)
	}
	byIDs, err := api.MarkRead(ctx, client, api.MarkNotificationsReadInput{Ids: []string{node.Id}})
	if err != nil {
		return fmt.Errorf("mark by ids: %w", err)
	}
	upTo, err := api.MarkRead(ctx, client, api.MarkNotificationsReadInput{UpTo: &node.Id})
	if err != nil {
		return fmt.Errorf("mark up to: %w", err)
	}
	fmt.Printf("%s has %s by %s: %s. Of %d notifications %d were marked by their ids, and %d by the newest.\n",
		signedUp.SignUp.Viewer.Email, item.Title, item.Owner.Name, *node.Content, len(list.Notifications.Edges),
		byIDs.MarkNotificationsRead.Marked, upTo.MarkNotificationsRead.Marked)
	return nil
}
