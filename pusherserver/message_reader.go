package pusherserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

const (
	// readBufferSize is the size of the only read buffer that an idle connection keeps. A ping or a signed subscription
	// fits into it.
	readBufferSize = 256
	// readChunk is how many bytes are allocated at a time. So a frame header alone cannot make the server allocate the
	// length that it names.
	readChunk = 4 << 10
)

// violation is a violation of RFC 6455 by the client, with the close code that the RFC requires.
type violation struct {
	code   ws.StatusCode
	reason string
}

func (v *violation) Error() string { return v.reason }

// messageReader turns the bytes of a client into whole messages. It is used by one goroutine.
type messageReader struct {
	source *bufio.Reader
	limit  int // bytes of one message

	header     [ws.MaxHeaderSize]byte
	fragments  []byte // of a message whose end has not arrived
	fragmented bool
}

// newMessageReader returns a reader of the messages in source, which begins after the upgrade. limit is in bytes.
func newMessageReader(source io.Reader, limit int) *messageReader {
	return &messageReader{source: bufio.NewReaderSize(source, readBufferSize), limit: limit}
}

// next returns the next message: OpText with valid UTF-8, OpPing, OpPong, or OpClose with a payload that RFC 6455
// section 5.5.1 allows. Control frames between fragments come first. The caller may keep the payload. An error is a
// *violation or an error of the source. After an error next must not be called.
func (r *messageReader) next() (ws.OpCode, []byte, error) {
	for {
		header, err := ws.ReadHeaderBuffer(r.source, r.header[:])
		if errors.Is(err, ws.ErrHeaderLengthMSB) || errors.Is(err, ws.ErrHeaderLengthUnexpected) {
			return 0, nil, &violation{ws.StatusProtocolError, err.Error()}
		}
		if err != nil {
			return 0, nil, err
		}
		if err := r.check(header); err != nil {
			return 0, nil, err
		}
		if header.OpCode.IsControl() {
			payload, err := r.appendPayload(nil, header)
			if err == nil && header.OpCode == ws.OpClose {
				err = checkClose(payload)
			}
			return header.OpCode, payload, err
		}
		r.fragments, err = r.appendPayload(r.fragments, header)
		if err != nil {
			return 0, nil, err
		}
		r.fragmented = !header.Fin
		if r.fragmented {
			continue
		}
		text := r.fragments
		r.fragments = nil
		if !utf8.Valid(text) {
			return 0, nil, &violation{ws.StatusInvalidFramePayloadData, "text message is not valid UTF-8"}
		}
		return ws.OpText, text, nil
	}
}

// check validates the header before its payload is read.
func (r *messageReader) check(header ws.Header) error {
	state := ws.StateServerSide
	if r.fragmented {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(header, state); err != nil {
		return &violation{ws.StatusProtocolError, err.Error()}
	}
	if header.OpCode == ws.OpBinary {
		return &violation{ws.StatusUnsupportedData, "binary messages are not supported"}
	}
	if !header.OpCode.IsControl() && header.Length > int64(r.limit-len(r.fragments)) {
		return &violation{ws.StatusMessageTooBig, fmt.Sprintf("message is larger than %d bytes", r.limit)}
	}
	return nil
}

// appendPayload reads the payload of header, unmasks it and appends it to buffer.
func (r *messageReader) appendPayload(buffer []byte, header ws.Header) ([]byte, error) {
	for offset := 0; offset < int(header.Length); {
		n := min(int(header.Length)-offset, readChunk)
		buffer = append(buffer, make([]byte, n)...)
		chunk := buffer[len(buffer)-n:]
		if _, err := io.ReadFull(r.source, chunk); err != nil {
			return nil, err
		}
		ws.Cipher(chunk, header.Mask, offset)
		offset += n
	}
	return buffer, nil
}

// checkClose applies RFC 6455 section 5.5.1 to the payload of a close frame.
func checkClose(payload []byte) error {
	switch {
	case len(payload) == 0:
		return nil
	case len(payload) == 1:
		return &violation{ws.StatusProtocolError, "close frame holds half a status code"}
	}
	err := ws.CheckCloseFrameData(ws.ParseCloseFrameData(payload))
	switch {
	case errors.Is(err, ws.ErrProtocolInvalidUTF8):
		return &violation{ws.StatusInvalidFramePayloadData, err.Error()}
	case err != nil:
		return &violation{ws.StatusProtocolError, err.Error()}
	}
	return nil
}
