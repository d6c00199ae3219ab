package outbox

import (
	"log/slog"
	"strconv"
	"testing"
)

// One write has room for some hundred rows of parked recipients. Rows that an earlier process wrote need none of it.
func TestTheRowsOfAnEarlierProcessNeedNotBeWrittenAgain(t *testing.T) {
	t.Parallel()
	const many = 2000
	k := &kept{mark: Cursor{many}}
	for i := 1; i <= many; i++ {
		k.parked = append(k.parked, parking{key: strconv.Itoa(i), from: Cursor{i}})
	}
	keeper := newKeeper(nil, People, slog.New(slog.DiscardHandler), k)
	p, d := keeper.progress, newTable()
	d.mark = k.mark
	for _, one := range k.parked {
		d.rows[one.key] = one.from
		p.wait(one.key, one.from)
	}
	for i := 1; i <= many; i++ {
		p.leave(Cursor{many + i}, strconv.Itoa(i))
	}
	p.pass(Cursor{2 * many})
	d.write(t, p.record(epoch))
	if d.mark != (Cursor{2 * many}) {
		t.Errorf("the first write takes the watermark to %d, want %d", d.mark.seq, 2*many)
	}
	for i := 1; i <= many; i++ {
		if key := strconv.Itoa(i); !d.again(Cursor{i}, key) || !d.again(Cursor{many + i}, key) {
			t.Fatalf("the events of %s would not be sent after a crash", key)
		}
	}
}
