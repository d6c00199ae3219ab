package pusherserver

import (
	"slices"

	"github.com/gobwas/ws"
)

// eventEncoder makes the frames of one event. Name and data are encoded once, however many channels there are, and each
// frame is shared by all subscribers of its channel.
type eventEncoder struct {
	beforeChannel []byte
	afterChannel  []byte
}

func newEventEncoder(name, data string) eventEncoder {
	return eventEncoder{
		beforeChannel: slices.Concat([]byte(`{"event":`), encode(name), []byte(`,"channel":"`)),
		afterChannel:  slices.Concat([]byte(`","data":`), encode(data), []byte(`}`)),
	}
}

// frame needs a channel that passed checkChannel: such a name has nothing to escape. It allocates once, for an event
// may have a frame for each of its subscribers.
func (e eventEncoder) frame(channel string) []byte {
	frame := newTextFrame(len(e.beforeChannel) + len(channel) + len(e.afterChannel))
	frame = append(frame, e.beforeChannel...)
	frame = append(frame, channel...)
	return append(frame, e.afterChannel...)
}

const (
	// jsonExpansion is how many bytes JSON needs for one: "\u0000" for a NUL.
	jsonExpansion = 6
	// eventOverhead covers all of an event but its data: frame header, braces, a name and a channel at their longest.
	eventOverhead = ws.MaxHeaderSize + 64 + jsonExpansion*maxEventNameLength + maxChannelNameLength
)

// largestEvent is the size of the largest frame of an event with at most dataBytes of data.
func largestEvent(dataBytes int) int { return jsonExpansion*dataBytes + eventOverhead }

// largestBody is more than any valid request needs.
func largestBody(dataBytes int) int64 {
	channels := maxEventChannels * (maxChannelNameLength + 16)
	return int64(maxBatchEvents*(largestEvent(dataBytes)+1<<10) + channels)
}
