package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/pusher/pusher-http-go/v5"
)

// list asks which channels with a prefix are occupied.
func (s *Subscriptions) list(ctx context.Context, prefix string) ([]string, error) {
	a, err := s.bridge.call(ctx, forChannels, func(c *pusher.Client) error {
		_, err := c.Channels(pusher.ChannelsParams{FilterByPrefix: &prefix})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	var channels map[string]json.RawMessage
	if a.Channels[0] == '{' {
		if err := json.Unmarshal(a.Channels, &channels); err != nil {
			return nil, fmt.Errorf("read the list of channels: %w", err)
		}
	}
	return slices.Collect(maps.Keys(channels)), nil
}

// occupied asks whether somebody listens on a channel.
func (s *Subscriptions) occupied(ctx context.Context, channel string) (bool, error) {
	a, err := s.bridge.call(ctx, forChannels, func(c *pusher.Client) error {
		_, err := c.Channel(channel, pusher.ChannelParams{})
		return err
	})
	return err == nil && *a.Occupied, err
}
