package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// answerTimeout limits the time of an answer.
const answerTimeout = 30 * time.Second

// maxAnswer limits the size of an answer, in bytes.
const maxAnswer = 1 << 20

// connection is one HTTP/1.1 keep-alive connection for one request at a time. The client of net/http would take as
// much CPU of the shared cores as the server takes for an answer. A connection is not for concurrent use.
type connection struct {
	conn    net.Conn
	host    string
	reader  *bufio.Reader
	request []byte
	answer  bytes.Buffer
	header  http.Header // of the last answer
	release func() bool
}

// dial connects to the server at u. The connection ends with ctx, or with close.
func dial(ctx context.Context, u *url.URL) (*connection, error) {
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), u.Scheme)
	}
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{Timeout: answerTimeout}
	if u.Scheme == "https" {
		dialer = &tls.Dialer{NetDialer: &net.Dialer{Timeout: answerTimeout}}
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to the server: %w", err)
	}
	return &connection{
		conn:    conn,
		host:    u.Host,
		reader:  bufio.NewReader(conn),
		release: context.AfterFunc(ctx, func() { conn.Close() }),
	}, nil
}

func (c *connection) close() {
	c.release()
	c.conn.Close()
}

// post sends body and returns the body of a 200. Any other status is an error. The answer is valid until the next
// call. token may be empty.
func (c *connection) post(path, token, contentType string, body []byte) ([]byte, error) {
	c.request = append(c.request[:0], "POST "+path+" HTTP/1.1\r\nHost: "+c.host+"\r\nContent-Type: "+contentType...)
	return c.exchange(token, body)
}

// get returns the body of a 200, like post.
func (c *connection) get(path string) ([]byte, error) {
	c.request = append(c.request[:0], "GET "+path+" HTTP/1.1\r\nHost: "+c.host...)
	return c.exchange("", nil)
}

// exchange completes the request that post or get has begun, sends it and reads the answer.
func (c *connection) exchange(token string, body []byte) ([]byte, error) {
	if token != "" {
		c.request = append(c.request, "\r\nAuthorization: Bearer "+token...)
	}
	c.request = append(c.request, "\r\nContent-Length: "...)
	c.request = strconv.AppendInt(c.request, int64(len(body)), 10)
	c.request = append(c.request, "\r\n\r\n"...)
	c.request = append(c.request, body...)
	c.conn.SetDeadline(time.Now().Add(answerTimeout))
	if _, err := c.conn.Write(c.request); err != nil {
		return nil, fmt.Errorf("send a request: %w", err)
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	defer response.Body.Close()
	c.header = response.Header
	c.answer.Reset()
	if _, err := c.answer.ReadFrom(io.LimitReader(response.Body, maxAnswer)); err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		what, _, _ := bytes.Cut(c.request, []byte(" HTTP/"))
		return nil, fmt.Errorf("%s was answered with %s: %.200s", what, response.Status, c.answer.Bytes())
	}
	return c.answer.Bytes(), nil
}

// operation is a GraphQL request.
type operation struct {
	Query     string         `json:"query"`
	Variables map[string]any `json:"variables,omitempty"`
}

// query sends an operation and returns its answer, undecoded.
func (c *connection) query(token string, o operation) ([]byte, error) {
	body, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	return c.post("/graphql", token, "application/json", body)
}

// queryInto sends an operation and decodes its data.
func (c *connection) queryInto(token string, o operation, data any) error {
	answer, err := c.query(token, o)
	if err != nil {
		return err
	}
	decoded := struct {
		Data   any `json:"data"`
		Errors []struct {
			Message    string `json:"message"`
			Extensions struct {
				Code string `json:"code"`
			} `json:"extensions"`
		} `json:"errors"`
	}{Data: data}
	if err := json.Unmarshal(answer, &decoded); err != nil {
		return fmt.Errorf("decode an answer: %w", err)
	}
	if len(decoded.Errors) == 0 {
		return nil
	}
	first := decoded.Errors[0]
	if first.Extensions.Code == "RATE_LIMITED" {
		return fmt.Errorf("the server answered RATE_LIMITED (%s): start it with SIGN_UPS_PER_ADDRESS and REQUESTS_PER_MINUTE raised",
			first.Message)
	}
	return fmt.Errorf("the server answered %s: %s", first.Extensions.Code, first.Message)
}
