package pusherserver

import (
	"slices"

	"github.com/gobwas/ws"
)

// eventEncoder makes the frames of one event. It encodes name and data once for all channels. All subscribers of a
// channel share one frame.
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

// frame returns the frame for channel, which must have passed checkChannel: such a name needs no escape in JSON. It
// allocates once, because an event may have as many frames as subscribers.
func (e eventEncoder) frame(channel string) []byte {
	frame := newTextFrame(len(e.beforeChannel) + len(channel) + len(e.afterChannel))
	frame = append(frame, e.beforeChannel...)
	frame = append(frame, channel...)
	return append(frame, e.afterChannel...)
}

const (
	// jsonExpansion is how many bytes of JSON one byte of text needs at most: "\u0000" for a NUL.
	jsonExpansion = 6
	// eventOverhead is the size of a frame without its data: the header, the braces, and the longest name and channel.
	eventOverhead = ws.MaxHeaderSize + 64 + jsonExpansion*maxEventNameLength + maxChannelNameLength
)

// largestEvent returns the size of the largest frame of an event with at most dataBytes of data, in bytes.
func largestEvent(dataBytes int) int { return jsonExpansion*dataBytes + eventOverhead }

// largestBody returns a size in bytes that no valid request exceeds.
func largestBody(dataBytes int) int64 {
	channels := maxEventChannels * (maxChannelNameLength + 16)
	return int64(maxBatchEvents*(largestEvent(dataBytes)+1<<10) + channels)
}
