package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settings is the only table without new rows while the server runs.
const settings = "settings"

// upgrade is one database that the older and then the new binary serves.
type upgrade struct {
	ctx          context.Context //nolint:containedctx // an upgrade is one run
	folder       string
	older, newer string
	pusher       *fakePusher
	env          []string
	server       *server

	ada, bob, kim, sick, zoe *person
	channel                  string // of Ada's subscription to new items
	before                   remains
	sentToPeople             int
	problems                 []string
}

// remains is the state that the older binary leaves behind.
type remains struct {
	events []event          // after the removal of the newest rows
	kept   map[string]table // also after the removal
	ever   map[string]table // before the removal
	taken  []sent           // the events that Pusher took
}

// String counts the events.
func (r remains) String() string {
	var pending, others, relayed, forbidden int
	for _, e := range r.events {
		switch {
		case e.relayed:
			relayed++
		case e.forbidden:
			forbidden++
		case e.recipient.Valid:
			pending++
		default:
			others++
		}
	}
	return fmt.Sprintf("%d events pending for people, %d for subscriptions alone, %d relayed, %d rejected",
		pending, others, relayed, forbidden)
}

func newUpgrade(ctx context.Context, folder, older, newer string) (*upgrade, error) {
	pusher, err := startPusher()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(folder, "data")
	return &upgrade{
		ctx: ctx, folder: data, older: older, newer: newer, pusher: pusher,
		env: []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LISTEN_ADDR=127.0.0.1:0", "LOG_LEVEL=ERROR",
			"PUSHER_APP_ID=1", "PUSHER_KEY=key", "PUSHER_SECRET=secret", "PUSHER_SCHEME=http", "PUSHER_HOST=" + pusher.address,
			"SIGN_UPS_PER_ADDRESS=1000", "SIGN_INS_PER_ADDRESS=1000",
		},
	}, os.Mkdir(data, 0o700)
}

func (u *upgrade) close() {
	if u.server != nil {
		u.server.kill()
	}
	_ = u.pusher.server.Close()
}

func (u *upgrade) start(binary string) (err error) {
	u.server, err = startServer(u.ctx, binary, u.folder, u.env)
	return err
}

func (u *upgrade) broken(format string, args ...any) {
	u.problems = append(u.problems, fmt.Sprintf(format, args...))
}

// steps runs the steps until one fails.
func steps(all ...func() error) error {
	for _, step := range all {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// signUp is a step, as the methods below are.
func (u *upgrade) signUp(into **person, name string) func() error {
	return func() (err error) {
		*into, err = u.server.signUp(u.ctx, name)
		return err
	}
}

func (u *upgrade) ask(from, to **person, question string) func() error {
	return func() error {
		_, err := u.server.request(u.ctx, *from, *to, "", question)
		return err
	}
}

// share publishes an item, which somebody asks for and gets.
func (u *upgrade) share(owner, with **person, title string) func() error {
	return func() error {
		item, err := u.server.publish(u.ctx, *owner, title)
		if err != nil {
			return err
		}
		request, err := u.server.request(u.ctx, *with, *owner, item, "May I?")
		if err != nil {
			return err
		}
		return u.server.approve(u.ctx, *owner, request)
	}
}

func (u *upgrade) subscribe(p **person, channel *string) func() error {
	return func() (err error) {
		*channel, err = u.server.subscribe(u.ctx, *p)
		return err
	}
}

// runOlder leaves behind events of each kind, and kills the server.
func (u *upgrade) runOlder() error {
	var ignored string
	err := steps(
		func() error { return u.start(u.older) },
		u.signUp(&u.ada, "Ada"), u.signUp(&u.bob, "Bob"), u.signUp(&u.kim, "Kim"), u.signUp(&u.sick, sick),
		u.subscribe(&u.ada, &u.channel),
		u.share(&u.bob, &u.ada, "Roots"),
		u.ask(&u.ada, &u.bob, "one"), u.ask(&u.sick, &u.kim, "two"), u.ask(&u.bob, &u.kim, "three"),
		func() error { return untilEvents(u.ctx, u.folder, settled) },

		func() error { u.pusher.set(mute); return nil },
		u.ask(&u.ada, &u.bob, "muted"),
		func() error { return u.until("an event without an answer", took("muted")) },
		func() error { u.pusher.set(down); return nil },
		u.share(&u.bob, &u.kim, "Shoots"),
		u.ask(&u.ada, &u.bob, "four"), u.ask(&u.kim, &u.ada, "five"), u.ask(&u.bob, &u.ada, "six"),

		u.signUp(&u.zoe, "Zoe"), u.subscribe(&u.zoe, &ignored), u.share(&u.zoe, &u.kim, "Leaves"),
		u.ask(&u.zoe, &u.bob, "seven"),
		u.ask(&u.ada, &u.zoe, "the newest event"),
	)
	if err != nil {
		return err
	}
	u.server.kill()
	u.before.taken = u.pusher.list(0)
	if u.before.ever, err = readTables(u.ctx, u.folder); err != nil {
		return err
	}
	if err := removePerson(u.ctx, u.folder, u.zoe); err != nil {
		return err
	}
	if u.before.kept, err = readTables(u.ctx, u.folder); err != nil {
		return err
	}
	for name, ever := range u.before.ever {
		if name != settings && u.before.kept[name].newest == ever.newest {
			return fmt.Errorf("the newest row of %s is still there: this shows nothing about its ids", name)
		}
	}
	u.before.events, err = readEvents(u.ctx, u.folder)
	return err
}

func settled(events []event) bool {
	for _, e := range events {
		if e.pending() {
			return false
		}
	}
	return len(events) > 0
}

// took returns a condition: Pusher has taken an event that contains text.
func took(text string) func([]sent) bool {
	return func(taken []sent) bool {
		for _, s := range taken {
			if strings.Contains(s.Data, text) {
				return true
			}
		}
		return false
	}
}

func (u *upgrade) until(what string, done func([]sent) bool) error {
	if !u.pusher.until(limit, done) {
		return fmt.Errorf("pusher did not get %s", what)
	}
	return nil
}

// runNewer starts the new binary on the remaining state, and once more after a crash.
func (u *upgrade) runNewer() error {
	u.pusher.set(take)
	u.pusher.cure() // the rejected event could be taken now, but must not be sent again
	var eve *person
	var ignored string
	err := steps(
		func() error { return u.start(u.newer) },
		func() error { return u.fences("first fence") },
		func() error { u.compare(); return u.listsRejected() },
		u.signUp(&eve, "Eve"), u.subscribe(&eve, &ignored), u.share(&eve, &u.kim, "Fruits"),
		u.compareIDs,
	)
	if err != nil {
		return err
	}
	done := len(u.pusher.list(0))
	select { // progress is written within 200 ms
	case <-time.After(time.Second):
	case <-u.ctx.Done():
		return u.ctx.Err()
	}
	u.server.kill()
	if err := steps(
		func() error { return u.start(u.newer) },
		func() error { return u.fences("second fence") },
	); err != nil {
		return err
	}
	before := make(map[string]bool)
	for _, s := range u.pusher.list(0)[:done] {
		before[s.eventID()] = true
	}
	for _, s := range u.pusher.list(done) {
		if id := s.eventID(); id != "" && before[id] {
			u.broken("event %s was sent again by a crash of the new binary, though it was sent a second before", id)
		}
	}
	return nil
}

// fences sends everybody an event and waits until all have arrived. Earlier events for these people arrive before
// them.
func (u *upgrade) fences(text string) error {
	return steps(
		u.ask(&u.ada, &u.bob, text+" of Bob"),
		u.ask(&u.bob, &u.kim, text+" of Kim"),
		u.ask(&u.kim, &u.ada, text+" of Ada"),
		func() error { return u.until("the "+text+" of Bob", took(text+" of Bob")) },
		func() error { return u.until("the "+text+" of Kim", took(text+" of Kim")) },
		func() error { return u.until("the "+text+" of Ada", took(text+" of Ada")) },
	)
}

// compare compares the events that the new binary has sent with those that the older one has left.
func (u *upgrade) compare() {
	first := make(map[string]string) // what the older binary sent, by eventId
	for _, s := range u.before.taken {
		first[s.eventID()] = s.Data
	}
	u.compareEvents(first, u.compareSent(first))
	if !u.pusher.until(limit, func(all []sent) bool {
		return slices.ContainsFunc(all[len(u.before.taken):], func(s sent) bool {
			return s.Channel == u.channel && strings.Contains(s.Data, "Shoots")
		})
	}) {
		u.broken("the subscription did not get the item that was published while Pusher was down")
	}
}

// compareSent checks the order and the data of the events that the new binary has sent to people. It returns how many
// times it sent each, by eventId.
func (u *upgrade) compareSent(first map[string]string) (times map[string]int) {
	times = make(map[string]int)
	newest := make(map[string]int) // by channel
	for _, s := range u.pusher.list(len(u.before.taken)) {
		id, err := strconv.Atoi(s.eventID())
		if err != nil {
			continue // an event of a subscription
		}
		u.sentToPeople++
		times[s.eventID()]++
		if id < newest[s.Channel] {
			u.broken("event %d was sent on %s after event %d", id, s.Channel, newest[s.Channel])
		}
		newest[s.Channel] = max(newest[s.Channel], id)
		if data, ok := first[s.eventID()]; ok && data != s.Data {
			u.broken("event %d was sent again as %s instead of %s", id, s.Data, data)
		}
	}
	return times
}

// compareEvents checks that the new binary has sent each event as often as the state of the event allows.
func (u *upgrade) compareEvents(first map[string]string, times map[string]int) {
	repeated := false
	for _, e := range u.before.events {
		n := times[strconv.Itoa(e.id)]
		_, before := first[strconv.Itoa(e.id)]
		repeated = repeated || before && n > 0
		switch {
		case e.pending() && e.recipient.Valid && n == 0:
			u.broken("event %d was pending and is lost", e.id)
		case e.pending() && n > 1:
			u.broken("event %d was pending and was sent %d times", e.id, n)
		case e.relayed && n > 0:
			u.broken("event %d was relayed before and was sent again", e.id)
		case e.forbidden && n > 0:
			u.broken("event %d was rejected for good and was sent again", e.id)
		}
	}
	if !repeated {
		u.broken("the event that Pusher took without an answer was not repeated under its eventId")
	}
}

// listsRejected checks that operators see the event that was rejected for good. Only this function knows the command
// and the form of its list.
func (u *upgrade) listsRejected() error {
	ctx, cancel := context.WithTimeout(u.ctx, limit)
	defer cancel()
	command := exec.CommandContext(ctx, u.newer, "events") //nolint:gosec // the binary under test
	command.Dir, command.Env = u.folder, u.env
	out, err := command.CombinedOutput()
	if err != nil {
		u.broken("lorebridge events fails: %v: %s", err, out)
		return nil
	}
	found := 0
	for _, e := range u.before.events {
		if !e.forbidden {
			continue
		}
		found++
		if !regexp.MustCompile(`\b` + strconv.Itoa(e.id) + `\b`).Match(out) {
			u.broken("lorebridge events does not list event %d, which was rejected for good:\n%s", e.id, out)
		}
	}
	if found == 0 {
		return errors.New("no event was rejected: this shows nothing")
	}
	return nil
}

// compareIDs checks that no id was given twice, in any table.
func (u *upgrade) compareIDs() error {
	now, err := readTables(u.ctx, u.folder)
	if err != nil {
		return err
	}
	for name, ever := range u.before.ever {
		to := name
		if renamed[name] != "" {
			to = renamed[name]
		}
		table, there := now[to]
		if !there {
			u.broken("table %s is gone: name its successor in renamed", name)
			continue
		}
		added := 0
		for id := range table.ids {
			if u.before.kept[name].ids[id] {
				continue
			}
			added++
			if id <= max(ever.newest, ever.sequence) {
				u.broken("%s gave id %d, and had given %d before", to, id, max(ever.newest, ever.sequence))
			}
		}
		if added == 0 && name != settings {
			return fmt.Errorf("%s has no new row: this shows nothing about its ids", to)
		}
		if table.sequence < ever.sequence {
			u.broken("the sequence of %s went back from %d to %d", to, ever.sequence, table.sequence)
		}
	}
	return nil
}
