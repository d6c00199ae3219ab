package demo

import (
	"strings"

	"lorebridge/ent/knowledgerequest"
)

// password is the same for everybody, because there is nothing to protect here.
const password = "lorebridge-demo"

const (
	ada  = "ada@example.com"
	bob  = "bob@example.com"
	cleo = "cleo@example.com"
)

var people = People{
	{Name: "Ada Winter", Email: ada, Password: password},
	{Name: "Bob Tanaka", Email: bob, Password: password},
	{Name: "Cleo Marsh", Email: cleo, Password: password},
}

// item is something that a person knows.
type item struct{ owner, title, text string }

var known = []item{
	{ada, "Resetting the office router", text(`
		It hangs behind the plant on the third floor, grey, with one button.

		1. Hold the button until the light turns orange: about ten seconds.
		2. Wait until it is green again. That takes two minutes, and pressing again starts over.
		3. If it stays orange, the provider is down. Their number is on the back.

		The guest network comes back five minutes after the other one. That is normal.
	`)},
	{ada, "Which meeting room suits what", text(`
		Birch: the good camera and the bad chairs. Calls of up to an hour.
		Maple: a whiteboard on every wall. Nobody outside hears you.
		Willow: the projector needs the cable in the top drawer, not the one on the table.
	`)},
	{bob, "Release checklist", text(`
		1. The changelog says what a user notices, in words a user knows.
		2. The migration has run on a copy of yesterday's data, and somebody looked at how long it took.
		3. The release is tagged on main, never on a branch.
		4. Support has read the changelog. This is the step everybody forgets.
		5. Not on a Friday. If it must be a Friday, not after noon.
	`)},
	{bob, "How to read the error dashboard", text(`
		Look at the second chart first: errors per request, not errors. The first one only shows that it is Monday.
		A step up is a release. A slope is a disk. A single spike at 03:00 is the backup, and it is fine.
	`)},
	{cleo, "Your first week", text(`
		Monday: your laptop, your keys, lunch with your team.
		Tuesday: read the handbook as far as chapter three. The rest is for looking things up.
		Wednesday: sit with support for an hour. You will learn more about us than from the handbook.
		Friday: tell me one thing that was confusing. I collect them, and the next person has it easier.
	`)},
	{cleo, "Salary bands, a draft", text(`
		Not final: the review is in March. Please ask me before you quote from it.
	`)},
}

// question is one person's request to another, with its answer. It is for an item, or free if item is empty.
type question struct {
	by, to, item, question string
	status                 knowledgerequest.Status
	answer                 string
}

var asked = []question{
	{
		cleo, bob, "Release checklist", "New people ask me when they may ship something. May I read your checklist?",
		knowledgerequest.StatusApproved, "Of course. Send them to me for step 4, I like to tell that story myself.",
	},
	{
		ada, cleo, "Salary bands, a draft", "I am planning next year's budget. May I look at the bands?",
		knowledgerequest.StatusDenied, "Not before the review in March, sorry. I will give you the totals this week.",
	},
	{
		ada, bob, "", "Is the test server supposed to be down on Thursday evenings?",
		knowledgerequest.StatusPending, "",
	},
	{
		bob, ada, "Resetting the office router", "The third floor has been offline since the power cut. How do I reset the router?",
		knowledgerequest.StatusPending, "",
	},
}

// text removes the indentation and the outer newlines that a text has in this file.
func text(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(s), "\n\t\t", "\n")
}
