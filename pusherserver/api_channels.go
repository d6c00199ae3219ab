package pusherserver

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// serveChannels serves GET /apps/{id}/channels: all occupied channels, or those with the prefix filter_by_prefix.
func (a *api) serveChannels(w http.ResponseWriter, r apiRequest) {
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

// checkChannelsInfo accepts user_count if the prefix is one of presence channels, as the service does. The list is then
// empty, because this server has no presence channels.
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

// channelState is the answer about one channel. Attributes that the publisher did not ask for are absent.
type channelState struct {
	Occupied          bool `json:"occupied"`
	SubscriptionCount *int `json:"subscription_count,omitempty"`
	Cache             any  `json:"cache,omitempty"` // *cacheState; null if nothing is cached
}

type cacheState struct {
	Data string `json:"data"`
	TTL  int    `json:"ttl"` // remaining seconds, at least 1
}

// serveChannel serves GET /apps/{id}/channels/{channel}: whether the channel is occupied, and the attributes in info.
func (a *api) serveChannel(w http.ResponseWriter, r apiRequest) {
	wantsCount, wantsCache, err := a.checkChannelQuery(r)
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
			left := cached.expires.Sub(a.config.Now())
			cache = &cacheState{Data: cached.data(), TTL: max(1, int((left+time.Second-1)/time.Second))}
		}
		state.Cache = cache
	}
	writeJSON(w, http.StatusOK, state)
}

// checkChannelQuery returns which attributes info asks for. It returns an error if the channel does not have them.
func (a *api) checkChannelQuery(r apiRequest) (wantsCount, wantsCache bool, err error) {
	if err := checkChannel(r.channel, a.config.MaxChannelNameLength); err != nil {
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

// serveUsers serves GET /apps/{id}/channels/{channel}/users. It always fails, because only presence channels have
// users.
func (a *api) serveUsers(w http.ResponseWriter, r apiRequest) {
	err := checkChannel(r.channel, a.config.MaxChannelNameLength)
	if err == nil {
		err = errors.New("only presence channels have users, and this is none: ask for its subscription_count instead")
	}
	writeFailure(w, err)
}
