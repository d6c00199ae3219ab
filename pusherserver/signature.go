package pusherserver

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // the protocol asks for it; an HMAC-SHA256 covers the sum
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// timestampTolerance is how far auth_timestamp may be from the clock of the server, in either direction.
const timestampTolerance = 600 * time.Second

// sign returns the lower-case hex HMAC-SHA256 of text.
func (a App) sign(text string) string {
	mac := hmac.New(sha256.New, []byte(a.Secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// verifySubscription checks auth, "KEY:SIGNATURE", for a private channel ("Authentication and authorization
// signatures"). If channelData is not empty, the signature must cover it. This holds for all private channels, because
// pusher-js relies on that.
func (a App) verifySubscription(socketID, channel, channelData, auth string) error {
	if auth == "" {
		return errors.New("auth is missing: subscribing to a private channel needs a signature from the authorization endpoint")
	}
	key, signature, _ := strings.Cut(auth, ":")
	if !hmac.Equal([]byte(key), []byte(a.Key)) {
		return errors.New("auth is signed with the key of another app")
	}
	signed := socketID + ":" + channel
	if channelData != "" {
		signed += ":" + channelData
	}
	if !hmac.Equal([]byte(signature), []byte(a.sign(signed))) {
		return fmt.Errorf("invalid signature: expected the HMAC-SHA256, in hex, of %.512q", signed)
	}
	return nil
}

// requestSignature is the query of an HTTP API request, by key ("Generating authentication signatures").
type requestSignature map[string]string

// parseRequestSignature returns query with its keys in lower case. It returns an error for a repeated key, because it
// could not know which of the values was signed.
func parseRequestSignature(query url.Values) (requestSignature, error) {
	params := make(requestSignature, len(query))
	for key, values := range query {
		lower := strings.ToLower(key)
		if _, ok := params[lower]; ok || len(values) > 1 {
			return nil, fmt.Errorf("query parameter %.64q is repeated", lower)
		}
		params[lower] = values[0]
	}
	return params, nil
}

// verify checks all that needs no body. path is without the prefix of a proxy or of http.StripPrefix.
func (s requestSignature) verify(app App, method, path string, now time.Time) error {
	for _, name := range []string{"auth_key", "auth_timestamp", "auth_version", "auth_signature"} {
		if s[name] == "" {
			return fmt.Errorf("query parameter %s is missing", name)
		}
	}
	if s["auth_version"] != "1.0" {
		return fmt.Errorf("auth_version must be 1.0, it is %.16q", s["auth_version"])
	}
	if !hmac.Equal([]byte(s["auth_key"]), []byte(app.Key)) {
		return fmt.Errorf("auth_key is not the key of app %s", app.ID)
	}
	if !hmac.Equal([]byte(strings.ToLower(s["auth_signature"])), []byte(app.sign(s.signedText(method, path)))) {
		return errors.New("invalid signature: expected the HMAC-SHA256, in hex, of the method, the path " +
			"and the sorted query parameters, joined by newlines")
	}
	seconds, err := strconv.ParseInt(s["auth_timestamp"], 10, 64)
	if err != nil {
		return fmt.Errorf("auth_timestamp must be in seconds since 1970, it is %.32q", s["auth_timestamp"])
	}
	if sent := time.Unix(seconds, 0); sent.Before(now.Add(-timestampTolerance)) || sent.After(now.Add(timestampTolerance)) {
		return fmt.Errorf("auth_timestamp %d is more than %v from the time of the server, %d: check both clocks",
			seconds, timestampTolerance, now.Unix())
	}
	return nil
}

// verifyBody checks that body_md5, which the signature covers, is the MD5 of body. An empty body needs no body_md5.
func (s requestSignature) verifyBody(body []byte) error {
	want, ok := s["body_md5"]
	if !ok && len(body) == 0 {
		return nil
	}
	if !ok {
		return errors.New("query parameter body_md5 is missing")
	}
	sum := md5.Sum(body) //nolint:gosec // as above
	if !hmac.Equal([]byte(strings.ToLower(want)), []byte(hex.EncodeToString(sum[:]))) {
		return errors.New("body_md5 is not the MD5, in hex, of the body")
	}
	return nil
}

// signedText returns the text that the publisher signed. Values are decoded, because libraries escape in different
// ways.
func (s requestSignature) signedText(method, path string) string {
	pairs := make([]string, 0, len(s))
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if key != "auth_signature" {
			pairs = append(pairs, key+"="+s[key])
		}
	}
	return method + "\n" + path + "\n" + strings.Join(pairs, "&")
}
