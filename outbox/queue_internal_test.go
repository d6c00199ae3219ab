package outbox

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestAScheduleGivesWhoIsDueFirst(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	var s schedule
	queues := make([]*queue, 50)
	for i := range queues {
		queues[i] = &queue{recipient: i}
		s.add(queues[i], epoch.Add(time.Duration(random.IntN(1000))*time.Millisecond))
	}
	for range 20 {
		s.set(queues[random.IntN(len(queues))], epoch.Add(time.Duration(random.IntN(1000))*time.Millisecond))
	}
	for _, i := range []int{7, 13, 49} {
		s.remove(queues[i])
	}
	if s.due(epoch.Add(-1)) != nil {
		t.Error("one is due before its time")
	}
	last, n := epoch, 0
	for q := s.due(epoch.Add(time.Second)); q != nil; q = s.due(epoch.Add(time.Second)) {
		if q.until.Before(last) || q.recipient == 7 || q.recipient == 13 || q.recipient == 49 {
			t.Errorf("recipient %d is due at %v, after %v", q.recipient, q.until, last)
		}
		if s.due(q.until) != q || q.until.After(epoch) && s.due(q.until.Add(-1)) != nil {
			t.Errorf("recipient %d is not due from its time on", q.recipient)
		}
		last, n = q.until, n+1
		s.remove(q)
	}
	if n != 47 || len(s) != 0 {
		t.Errorf("%d of 47 were due", n)
	}
	for i, q := range queues {
		s.add(q, epoch.Add(time.Duration(i)*time.Hour))
	}
	s.hurry(epoch)
	n = 0
	for q := s.due(epoch); q != nil; q = s.due(epoch) {
		s.remove(q)
		n++
	}
	if n != len(queues) {
		t.Errorf("after hurry %d of %d were due", n, len(queues))
	}
}
