package main

import (
	"encoding/binary"
	"strconv"
	"time"
)

// appendText appends s as a JSON string.
func appendText(to []byte, s string) []byte {
	to = append(to, '"')
	to = appendEscaped(to, s)
	return append(to, '"')
}

// appendEscaped appends s as the inside of a JSON string. If s is JSON, the result is JSON within a string.
func appendEscaped[T string | []byte](to []byte, s T) []byte {
	const hex = "0123456789abcdef"
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		to = append(to, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			to = append(to, '\\', c)
		case '\n':
			to = append(to, '\\', 'n')
		case '\t':
			to = append(to, '\\', 't')
		case '\r':
			to = append(to, '\\', 'r')
		default:
			to = append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(to, s[from:]...)
}

// appendTime appends a time in the server's format: in UTC, with three decimals.
func appendTime(to []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(to, "2006-01-02T15:04:05.000Z")
}

// appendAnswer appends the answer to createKnowledgeRequest.
func appendAnswer(to []byte, c created) []byte {
	to = append(to, `{"data":{"createKnowledgeRequest":{"knowledgeRequest":{"id":"`...)
	to = strconv.AppendInt(to, c.requestID, 10)
	to = append(to, `","status":"PENDING","createdAt":"`...)
	to = appendTime(to, c.at)
	to = append(to, `"},"alreadyExists":`...)
	to = strconv.AppendBool(to, c.exists)
	return append(to, `}}}`...)
}

// appendPayload appends the payload of the event of a request, with the keys of outbox.Payload in their order.
func appendPayload(to []byte, a *ask, requestID int64, at time.Time) []byte {
	to = append(to, `{"type":"knowledge-request","requestId":`...)
	to = strconv.AppendInt(to, requestID, 10)
	to = append(to, a.texts...)
	to = append(to, `,"createdAt":"`...)
	to = appendTime(to, at)
	return append(to, `"}`...)
}

// appendTexts appends the part of the payload that is known before the transaction.
func appendTexts(to []byte, question, requesterName string) []byte {
	to = append(to, `,"question":`...)
	to = appendText(to, question)
	to = append(to, `,"requesterName":`...)
	return appendText(to, requesterName)
}

// appendEvent appends the Pusher event of a payload: a JSON object whose data is JSON within a string.
func appendEvent(to []byte, owner int64, payload []byte, eventID int64) []byte {
	to = append(to, `{"event":"knowledge-request","channel":"`...)
	to = appendChannel(to, owner)
	to = append(to, `","data":"`...)
	to = appendEscaped(to, payload[:len(payload)-1])
	to = append(to, `,\"eventId\":\"`...)
	to = strconv.AppendInt(to, eventID, 10)
	return append(to, `\"}"}`...)
}

func appendChannel(to []byte, person int64) []byte {
	return strconv.AppendInt(append(to, channelPrefix...), person, 10)
}

// textFrame returns a WebSocket text frame (RFC 6455, section 5.2) without a mask, as servers send it.
func textFrame(text []byte) []byte {
	const finalText, twoBytes, eightBytes = 0x81, 126, 127
	frame := make([]byte, 0, len(text)+10)
	switch n := uint64(len(text)); {
	case n < twoBytes:
		frame = append(frame, finalText, byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, finalText, twoBytes), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, finalText, eightBytes), n)
	}
	return append(frame, text...)
}
