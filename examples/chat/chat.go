package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"lorebridge/bridge"
	"lorebridge/examples/chat/graph"
)

const keptMessages, maxRooms, maxName, maxText = 100, 100, 100, 4000 // messages of a room, rooms, and bytes

var errClosed = fmt.Errorf("this room is closed: %w", bridge.ErrForbidden)

// chat is the resolvers of schema.graphqls. It may be used concurrently.
type chat struct {
	pusherKey string
	bridge    *bridge.Bridge
	log       *bridge.MemoryLog // has the messages

	mu   sync.Mutex      // guards what follows; publish is called with it held, so that events stay in order
	open map[string]bool // by room; false if it is closed
	sent int
}

func (c *chat) Query() graph.QueryResolver                { return c }
func (c *chat) Mutation() graph.MutationResolver          { return c }
func (c *chat) Subscription() graph.SubscriptionResolver  { return c }
func (c *chat) PusherKey(context.Context) (string, error) { return c.pusherKey, nil }

func (c *chat) Rooms(context.Context) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c.open)), func(room string) bool { return !c.open[room] }), nil
}

func (c *chat) Messages(_ context.Context, room string) (messages []*graph.Message, err error) {
	for _, e := range c.log.Recent(topicOf(room), keptMessages) {
		messages = append(messages, e.Value.(*graph.Message))
	}
	return messages, nil
}

// MessageAdded is all that a subscription takes: which events it gets, who may have them, and what is made of them.
func (c *chat) MessageAdded(ctx context.Context, room string) (<-chan *graph.Message, error) {
	return bridge.Resolve(ctx, c.bridge, bridge.Source[graph.Message]{
		Topic: topicOf(room),
		Allow: func(context.Context) error { return c.allow(room) },
		Of:    func(_ context.Context, e *bridge.Event) (*graph.Message, error) { return e.Value.(*graph.Message), nil },
	})
}

func (c *chat) allow(room string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if open, known := c.open[room]; known && !open {
		return errClosed
	}
	return nil
}

func (c *chat) Send(_ context.Context, room, author, text string) (*graph.Message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch open, known := c.open[room]; {
	case known && !open:
		return nil, errClosed
	case !known && len(c.open) == maxRooms:
		return nil, fmt.Errorf("there are %d rooms: use one of them", maxRooms)
	case min(len(room), len(author), len(text)) == 0 || max(len(room), len(author)) > maxName || len(text) > maxText:
		return nil, fmt.Errorf("a room and an author have 1 to %d bytes, a text has 1 to %d", maxName, maxText)
	}
	c.open[room] = true
	return c.publish(room, author, text), nil
}

func (c *chat) Close(_ context.Context, room string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open[room] {
		return false, nil
	}
	c.open[room] = false
	c.publish(room, "chat", "This room is closed.") // with this event subscriptions find out, because Allow runs
	return true, nil
}

// publish adds a message to the log, and then has it delivered. c.mu is held.
func (c *chat) publish(room, author, text string) *graph.Message {
	c.sent++
	message := &graph.Message{ID: strconv.Itoa(c.sent), Author: author, Text: text, SentAt: time.Now()}
	c.log.Dispatch(c.bridge, message, topicOf(room)) // over Pusher, and over WebSocket
	return message
}

func topicOf(room string) bridge.Topic { return bridge.Topic("room:" + room) }
