package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

const limit = 30 * time.Second // for everything that should take only a moment

// server is a running binary.
type server struct {
	url   string
	cmd   *exec.Cmd
	ended chan struct{}
}

var printedURL = regexp.MustCompile(`https?://\S+`)

// startServer runs a binary in a folder, and returns once it has printed its URL.
func startServer(ctx context.Context, binary, folder string, env []string) (*server, error) {
	cmd := exec.CommandContext(ctx, binary)
	cmd.Dir, cmd.Env, cmd.Stderr = folder, env, os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	s := &server{cmd: cmd, ended: make(chan struct{})}
	line := make(chan string, 1)
	go func() {
		defer close(s.ended)
		reader := bufio.NewReader(stdout)
		first, _ := reader.ReadString('\n') // a server without a line has ended
		line <- first
		_, _ = io.Copy(io.Discard, reader)
		_ = cmd.Wait() // it is killed
	}()
	if s.url = printedURL.FindString(<-line); s.url == "" {
		s.kill()
		return nil, fmt.Errorf("%s ended before it listened", binary)
	}
	return s, nil
}

// kill is kill -9. It returns once the process has ended.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.ended
}

// person is a signed-in person.
type person struct{ id, token string }

// ask sends a GraphQL operation for a person, or for nobody, and decodes its data. It returns the answer's header.
func (s *server) ask(
	ctx context.Context, p *person, query string, variables map[string]any, into any,
) (http.Header, error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return nil, err
	}
	answer := struct {
		Data   any             `json:"data"`
		Errors json.RawMessage `json:"errors"`
	}{Data: into}
	header, err := s.send(ctx, p, "/graphql", "application/json", body, &answer)
	if err == nil && answer.Errors != nil {
		err = fmt.Errorf("%s is answered %s", query, answer.Errors)
	}
	return header, err
}

// send sends a body for a person, or for nobody, and decodes the answer. It returns the answer's header.
func (s *server) send(
	ctx context.Context, p *person, path, contentType string, body []byte, into any,
) (header http.Header, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType)
	if p != nil {
		request.Header.Set("Authorization", "Bearer "+p.token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s is answered %s", path, response.Status)
	}
	return response.Header, json.NewDecoder(response.Body).Decode(into)
}

func (s *server) signUp(ctx context.Context, name string) (*person, error) {
	var data struct {
		SignUp struct {
			Token string
			User  struct{ ID string }
		}
	}
	_, err := s.ask(ctx, nil, `mutation ($name: String!, $email: String!) {
		signUp(input: {name: $name, email: $email, password: "correct horse", session: TOKEN}) { token user { id } } }`,
		map[string]any{"name": name, "email": strings.ToLower(strings.ReplaceAll(name, " ", "-")) + "@example.com"}, &data)
	return &person{id: data.SignUp.User.ID, token: data.SignUp.Token}, err
}

// request asks somebody a question, or for an item of theirs, and returns the id of the request.
func (s *server) request(ctx context.Context, from, to *person, knowledge, question string) (string, error) {
	input := map[string]any{"question": question}
	if knowledge != "" {
		input["knowledgeId"] = knowledge
	} else {
		input["ownerId"] = to.id
	}
	var data struct {
		CreateKnowledgeRequest struct{ KnowledgeRequest struct{ ID string } }
	}
	_, err := s.ask(ctx, from, `mutation ($input: CreateKnowledgeRequestInput!) {
		createKnowledgeRequest(input: $input) { knowledgeRequest { id } } }`, map[string]any{"input": input}, &data)
	return data.CreateKnowledgeRequest.KnowledgeRequest.ID, err
}

func (s *server) approve(ctx context.Context, owner *person, request string) error {
	var data any
	_, err := s.ask(ctx, owner, `mutation ($id: ID!) {
		respondToRequest(input: {requestId: $id, status: APPROVED, responseContent: "yes"}) { knowledgeRequest { id } } }`,
		map[string]any{"id": request}, &data)
	return err
}

func (s *server) publish(ctx context.Context, owner *person, title string) (string, error) {
	var data struct {
		CreateKnowledge struct{ Knowledge struct{ ID string } }
	}
	_, err := s.ask(ctx, owner, `mutation ($title: String!) {
		createKnowledge(input: {title: $title, content: "deep"}) { knowledge { id } } }`,
		map[string]any{"title": title}, &data)
	return data.CreateKnowledge.Knowledge.ID, err
}

// subscribe registers a subscription to new items and has its channel authorized, as a client that joins it.
func (s *server) subscribe(ctx context.Context, p *person) (channel string, err error) {
	var data any
	header, err := s.ask(ctx, p, `subscription { knowledgePublished { title } }`, nil, &data)
	if err != nil {
		return "", err
	}
	channel = header.Get("X-Subscription-ID")
	form := url.Values{"socket_id": {"1.1"}, "channel_name": {channel}}.Encode()
	_, err = s.send(ctx, p, "/pusher/auth", "application/x-www-form-urlencoded", []byte(form), &data)
	return channel, err
}
