package pusherserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Limits of the HTTP API from the document of the service. They cannot be configured.
const (
	maxEventChannels   = 100
	maxBatchEvents     = 10
	maxEventNameLength = 200 // in characters
)

// event is a published event after all checks.
type event struct {
	name       string
	channels   []string // distinct, at least one
	data       string
	except     string // the socket that does not get the event; empty for none
	wantsCount bool   // the answer has the number of subscribers
}

// eventBody is an event in the body of a request. A nil pointer is an absent field, which differs from an empty one.
type eventBody struct {
	Name     *string  `json:"name"`
	Data     *string  `json:"data"`
	Channel  *string  `json:"channel"`
	Channels []string `json:"channels"`
	SocketID *string  `json:"socket_id"`
	Info     *string  `json:"info"`
}

// batchBody is the body of batch_events. Each of its events has one channel.
type batchBody struct {
	Batch []eventBody `json:"batch"`
}

// parseEvent returns the event of a body, or an error for the publisher. The error is an *apiError if its status is not
// 400.
func (a *api) parseEvent(body []byte) (event, error) {
	var b eventBody
	if err := decodeBody(body, &b); err != nil {
		return event{}, err
	}
	return a.checkEvent(b)
}

// parseBatch returns all events of a batch, or an error that names the first invalid event. Errors are as of
// parseEvent.
func (a *api) parseBatch(body []byte) ([]event, error) {
	var b batchBody
	if err := decodeBody(body, &b); err != nil {
		return nil, err
	}
	if len(b.Batch) == 0 || len(b.Batch) > maxBatchEvents {
		return nil, fmt.Errorf("batch must hold 1 to %d events, it holds %d", maxBatchEvents, len(b.Batch))
	}
	events := make([]event, len(b.Batch))
	for i, item := range b.Batch {
		if item.Channels != nil {
			return nil, fmt.Errorf("batch[%d]: an event of a batch has one channel, not channels", i)
		}
		e, err := a.checkEvent(item)
		if err != nil {
			return nil, fmt.Errorf("batch[%d]: %w", i, err)
		}
		events[i] = e
	}
	return events, nil
}

// checkEvent applies every limit of the document ("HTTP API reference", events) before anything is delivered.
func (a *api) checkEvent(b eventBody) (event, error) {
	var e event
	if b.Name == nil || *b.Name == "" {
		return e, errors.New("name is missing")
	}
	if n := utf8.RuneCountInString(*b.Name); n > maxEventNameLength {
		return e, fmt.Errorf("name has %d characters, at most %d are allowed", n, maxEventNameLength)
	}
	if isReserved(*b.Name) {
		return e, fmt.Errorf("name must not start with %q or %q", reservedPrefix, internalPrefix)
	}
	if b.Data == nil {
		return e, errors.New("data is missing: it must be a string")
	}
	if n := len(*b.Data); n > a.config.MaxEventDataBytes {
		return e, &apiError{
			http.StatusRequestEntityTooLarge,
			fmt.Sprintf("data has %d bytes, at most %d are allowed", n, a.config.MaxEventDataBytes),
		}
	}
	channels, err := a.checkChannels(b)
	if err != nil {
		return e, err
	}
	e = event{name: *b.Name, data: *b.Data, channels: channels}
	if b.SocketID != nil {
		if !isSocketID(*b.SocketID) {
			return e, fmt.Errorf("socket_id must be two numbers joined by a dot, it is %.64q", *b.SocketID)
		}
		e.except = *b.SocketID
	}
	if b.Info != nil {
		e.wantsCount, err = checkInfo(*b.Info)
	}
	return e, err
}

// checkChannels returns the distinct channels of an event: a channel that is named twice gets the event once.
func (a *api) checkChannels(b eventBody) ([]string, error) {
	channels := b.Channels
	switch {
	case b.Channel != nil && b.Channels != nil:
		return nil, errors.New("channel and channels exclude each other")
	case b.Channel != nil:
		channels = []string{*b.Channel}
	case len(channels) == 0:
		return nil, errors.New("channels is missing: it must be a list of 1 to 100 names")
	case len(channels) > maxEventChannels:
		return nil, fmt.Errorf("channels holds %d names, at most %d are allowed", len(channels), maxEventChannels)
	}
	distinct := make([]string, 0, len(channels))
	seen := make(map[string]struct{}, len(channels))
	for _, channel := range channels {
		if err := checkChannel(channel, a.config.MaxChannelNameLength); err != nil {
			return nil, err
		}
		if isEncrypted(channel) && len(channels) > 1 {
			return nil, errors.New("an event for a private-encrypted- channel can have no other channel: each has its own key")
		}
		if _, repeated := seen[channel]; !repeated {
			seen[channel] = struct{}{}
			distinct = append(distinct, channel)
		}
	}
	return distinct, nil
}

// checkInfo reports whether info asks for subscription_count. It returns an error for every other attribute.
func checkInfo(info string) (wantsCount bool, err error) {
	for attribute := range strings.SplitSeq(info, ",") {
		switch attribute {
		case "subscription_count":
			wantsCount = true
		case "user_count":
			return false, errors.New("info user_count is for presence channels only")
		default:
			return false, fmt.Errorf("info %.64q is unknown, expected subscription_count", attribute)
		}
	}
	return wantsCount, nil
}

// isSocketID reports whether s has the form \d+\.\d+.
func isSocketID(s string) bool {
	first, second, ok := strings.Cut(s, ".")
	return ok && isNumber(first) && isNumber(second)
}

func isNumber(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// decodeBody decodes body into v. Its error names the field that has the wrong type.
func decodeBody(body []byte, v any) error {
	err := json.Unmarshal(body, v)
	if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
		if wrong.Field == "" {
			return fmt.Errorf("body must be a JSON object, it is of type %s", wrong.Value)
		}
		return fmt.Errorf("%s must be of type %s, it is of type %s", wrong.Field, jsonType(wrong), wrong.Value)
	}
	if err != nil {
		return fmt.Errorf("body is not valid JSON: %w", err)
	}
	return nil
}

// jsonType returns the JSON name of the Go type in err, because the publisher may use another language.
func jsonType(err *json.UnmarshalTypeError) string {
	switch err.Type.Kind() {
	case reflect.Slice:
		return "array"
	case reflect.Struct:
		return "object"
	}
	return err.Type.Kind().String()
}
