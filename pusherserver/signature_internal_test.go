package pusherserver

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

var published = App{ID: "3", Key: "278d425bdf160c739803", Secret: "7ad3773142a6692b25b8"}

const presenceData = `{"user_id":10,"user_info":{"name":"Mr. Channels"}}`

func TestSignaturesAreThoseOfTheDocument(t *testing.T) {
	for text, want := range map[string]string{
		"1234.1234:private-foobar":                  "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4",
		"1234.1234:presence-foobar:" + presenceData: "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80",
		`1234.1234::user::{"id":"12345"}`:           "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba",
	} {
		if got := published.sign(text); got != want {
			t.Errorf("sign(%s) = %s, want %s", text, got, want)
		}
	}
}

func TestSubscriptionSignatureCoversChannelDataWhateverTheChannel(t *testing.T) {
	const auth = "278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"
	if err := published.verifySubscription("1234.1234", "presence-foobar", presenceData, auth); err != nil {
		t.Error(err)
	}
	if err := published.verifySubscription("1234.1234", "presence-foobar", "", auth); err == nil {
		t.Error("accepted although channel_data was taken away")
	}
}

const (
	vectorBody  = `{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}`
	vectorTime  = 1353088179
	vectorQuery = "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0" +
		"&body_md5=ec365a775a4cd0599faeb73354201b6f" +
		"&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
)

func verifyVector(query, body string, at time.Time) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return err
	}
	signature, err := parseRequestSignature(values)
	if err != nil {
		return err
	}
	if err := signature.verify(published, "POST", "/apps/3/events", at); err != nil {
		return err
	}
	return signature.verifyBody([]byte(body))
}

func TestRequestSignatureIsThatOfTheDocument(t *testing.T) {
	now := time.Unix(vectorTime, 0)
	if err := verifyVector(vectorQuery, vectorBody, now); err != nil {
		t.Error(err)
	}
	upper := strings.Replace(vectorQuery, "auth_key", "Auth_Key", 1)
	if err := verifyVector(upper, vectorBody, now); err != nil {
		t.Errorf("keys are signed in lower case: %v", err)
	}
}

func TestRequestSignatureRejectsAChangedRequest(t *testing.T) {
	now := time.Unix(vectorTime, 0)
	for name, test := range map[string]struct {
		query, body string
		at          time.Time
		want        string
	}{
		"another body":      {vectorQuery, vectorBody + " ", now, "body_md5"},
		"no md5":            {strings.Replace(vectorQuery, "body_md5", "x", 1), vectorBody, now, "signature"},
		"601 s late":        {vectorQuery, vectorBody, now.Add(601 * time.Second), "auth_timestamp"},
		"601 s early":       {vectorQuery, vectorBody, now.Add(-601 * time.Second), "auth_timestamp"},
		"another key":       {strings.Replace(vectorQuery, "278d", "278e", 1), vectorBody, now, "auth_key"},
		"another signature": {strings.Replace(vectorQuery, "da45", "da46", 1), vectorBody, now, "signature"},
		"another version":   {strings.Replace(vectorQuery, "1.0", "1.1", 1), vectorBody, now, "auth_version"},
		"a parameter more":  {vectorQuery + "&info=user_count", vectorBody, now, "signature"},
		"repeated":          {vectorQuery + "&Auth_key=1", vectorBody, now, "repeated"},
		"nothing":           {"", vectorBody, now, "auth_key is missing"},
	} {
		if err := verifyVector(test.query, test.body, test.at); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got error %v, want one about %q", name, err, test.want)
		}
	}
	for _, at := range []time.Time{now.Add(600 * time.Second), now.Add(-600 * time.Second)} {
		if err := verifyVector(vectorQuery, vectorBody, at); err != nil {
			t.Errorf("600 s are tolerated: %v", err)
		}
	}
}
