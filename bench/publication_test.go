package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// published returns three items for two subscriptions. Each got all of them, with sequence numbers ten times their
// ids.
func published() []publication {
	var publications []publication
	for id := int64(1); id <= 3; id++ {
		publications = append(publications, publication{item: item{id: id}, updates: []update{
			{subscription: 0, item: id, seq: 10 * id}, {subscription: 1, item: id, seq: 10 * id},
		}})
	}
	return publications
}

func TestAuditOfUpdatesFindsEachBrokenPromise(t *testing.T) {
	for name, tt := range map[string]struct {
		change func([]publication) []publication
		late   []update
		want   faults
	}{
		"none where all came once": {},
		"none where one came late": {
			func(p []publication) []publication {
				p[2].updates = p[2].updates[:1]
				return p
			},
			[]update{{subscription: 1, item: 3, seq: 30}},
			faults{},
		},
		"one lost": {
			func(p []publication) []publication {
				p[1].updates = p[1].updates[:1]
				return p
			},
			nil,
			faults{lost: 1},
		},
		"one repeated":           {nil, []update{{subscription: 0, item: 3, seq: 30}}, faults{repeated: 1}},
		"one that nobody made":   {nil, []update{{subscription: 0, item: 4, seq: 40}}, faults{foreign: 1}},
		"one for nobody":         {nil, []update{{subscription: 2, item: 1, seq: 10}}, faults{foreign: 1}},
		"one with another seq":   {func(p []publication) []publication { p[1].updates[1].seq = 25; return p }, nil, faults{disorder: 1}},
		"a seq that goes back":   {func(p []publication) []publication { p[1].updates[0].seq = 5; p[1].updates[1].seq = 5; return p }, nil, faults{disorder: 1}},
		"two in the wrong order": {func(p []publication) []publication { p[0].updates, p[1].updates = p[1].updates, p[0].updates; return p }, nil, faults{disorder: 2}},
	} {
		publications := published()
		if tt.change != nil {
			publications = tt.change(publications)
		}
		received, got := auditUpdates(publications, 2, tt.late)
		if got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
		if want := 6 - tt.want.lost; received != want {
			t.Errorf("%s: %d received, want %d", name, received, want)
		}
	}
}

func TestAPublicationKnowsItsFirstAndLastUpdate(t *testing.T) {
	p := publication{updates: []update{{at: 3 * ms}, {at: 1 * ms}, {at: 2 * ms}}}
	if p.first() != ms || p.last() != 3*ms {
		t.Errorf("got %v and %v", p.first(), p.last())
	}
	if none := (publication{}); none.first() != 0 || none.last() != 0 {
		t.Error("without updates there is a moment")
	}
}

func TestAnUpdateIsReadUnderItsAlias(t *testing.T) {
	const data = `{"result":{"data":{"knowledgePublished":{"n7":"21","title":"x"}},"extensions":{"subscription":{"seq":34,"ts":"…"}}},"more":true}`
	got, err := readUpdate([]byte(data), "n7")
	if want := (update{item: 21, seq: 34}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, wrong := range map[string]string{
		"another's selection": `{"result":{"data":{"knowledgePublished":{"n8":"21"}},"extensions":{"subscription":{"seq":34}}},"more":true}`,
		"errors":              `{"result":{"data":{"knowledgePublished":{"n7":"21"}},"errors":[{}],"extensions":{"subscription":{"seq":34}}},"more":true}`,
		"an end":              `{"more":false}`,
		"no seq":              `{"result":{"data":{"knowledgePublished":{"n7":"21"}}},"more":true}`,
		"no JSON":             `{`,
	} {
		if _, err := readUpdate([]byte(wrong), "n7"); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestWithinSelectsByTheTimeOfSending(t *testing.T) {
	sent := []mutation{{sent: 1 * ms, answered: 9 * ms}, {sent: 2 * ms, answered: 5 * ms}, {sent: 4 * ms, answered: 5 * ms}}
	if got := within(sent, 2*ms, 4*ms); !slices.Equal(got, []time.Duration{3 * ms}) {
		t.Errorf("got %v", got)
	}
}

func TestClocksMeasureCoresAndCPUTimeBeyondThem(t *testing.T) {
	c := clocks{at: 3 * time.Second, cpu: cpuTime{Duration: 2 * time.Second, known: true}}.
		since(clocks{at: time.Second, cpu: cpuTime{Duration: time.Second, known: true}})
	if !same(c.cores(), 0.5) || !same(c.over(0.1), 800_000) {
		t.Errorf("%v cores, %v µs over a tenth of one", c.cores(), c.over(0.1))
	}
}

func TestTheCPULoadEndsWithItsInput(t *testing.T) {
	if err := runCPULoad(strings.NewReader("")); err != nil {
		t.Error(err)
	}
}
