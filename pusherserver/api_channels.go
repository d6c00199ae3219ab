package pusherserver

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// serveChannels is GET /apps/{id}/channels: the occupied channels, all or those with the prefix filter_by_prefix.
func (s *Server) serveChannels(w http.ResponseWriter, r apiRequest) {
	prefix := r.params["filter_by_prefix"]
	if info, ok := r.params["info"]; ok {
		if err := checkChannelsInfo(info, prefix); err != nil {
			writeFailure(w, err)
			return
		}
	}
	channels := make(map[string]struct{})
	for _, channel := range r.app.hub.occupied(prefix) {
		channels[channel] = struct{}{}
	}
	writeJSON(w, http.StatusOK, struct {
		Channels map[string]struct{} `json:"channels"`
	}{channels})
}

// checkChannelsInfo lets user_count pass where it is allowed, with a prefix of presence channels. There are none here.
func checkChannelsInfo(info, prefix string) error {
	for attribute := range strings.SplitSeq(info, ",") {
		switch {
		case attribute != "user_count":
			return fmt.Errorf("info %.64q is not allowed for a list of channels, only user_count is: "+
				"ask for a single channel, or publish with info", attribute)
		case !strings.HasPrefix(prefix, presencePrefix):
			return fmt.Errorf("info user_count is for presence channels only: filter_by_prefix must start with %q", presencePrefix)
		}
	}
	return nil
}

// channelState is the answer about one channel. What was not asked for is absent.
type channelState struct {
	Occupied          bool `json:"occupied"`
	SubscriptionCount *int `json:"subscription_count,omitempty"`
	Cache             any  `json:"cache,omitempty"` // *cacheState, which is null if nothing is cached
}

type cacheState struct {
	Data string `json:"data"`
	TTL  int    `json:"ttl"` // seconds left, at least 1
}

// serveChannel is GET /apps/{id}/channels/{channel}: whether it is occupied and what else info asks for.
func (s *Server) serveChannel(w http.ResponseWriter, r apiRequest) {
	wantsCount, wantsCache, err := s.checkChannelQuery(r)
	if err != nil {
		writeFailure(w, err)
		return
	}
	subscribers, cached, ok := r.app.hub.look(r.channel)
	state := channelState{Occupied: subscribers > 0}
	if wantsCount {
		state.SubscriptionCount = &subscribers
	}
	if wantsCache {
		var cache *cacheState
		if ok {
			left := cached.expires.Sub(s.config.Now())
			cache = &cacheState{Data: cached.data(), TTL: max(1, int((left+time.Second-1)/time.Second))}
		}
		state.Cache = cache
	}
	writeJSON(w, http.StatusOK, state)
}

// checkChannelQuery returns which attributes info asks for, if the channel has them.
func (s *Server) checkChannelQuery(r apiRequest) (wantsCount, wantsCache bool, err error) {
	if err := checkChannel(r.channel, s.config.MaxChannelNameLength); err != nil {
		return false, false, err
	}
	info, ok := r.params["info"]
	if !ok {
		return false, false, nil
	}
	for attribute := range strings.SplitSeq(info, ",") {
		switch attribute {
		case "subscription_count":
			wantsCount = true
		case "cache":
			if !isCache(r.channel) {
				return false, false, fmt.Errorf("info cache is for channels with %q after the prefix of their kind only", cachePart)
			}
			wantsCache = true
		case "user_count":
			return false, false, errors.New("info user_count is for presence channels only")
		default:
			return false, false, fmt.Errorf("info %.64q is unknown, expected subscription_count or cache", attribute)
		}
	}
	return wantsCount, wantsCache, nil
}

// serveUsers is GET /apps/{id}/channels/{channel}/users, which has no right answer without presence channels.
func (s *Server) serveUsers(w http.ResponseWriter, r apiRequest) {
	err := checkChannel(r.channel, s.config.MaxChannelNameLength)
	if err == nil {
		err = errors.New("only presence channels have users, and this is none: ask for its subscription_count instead")
	}
	writeFailure(w, err)
}
