package main_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheReadmeShowsTheChat compares line by line, without blanks at the ends and comments.
func TestTheReadmeShowsTheChat(t *testing.T) {
	t.Parallel()
	code := make(map[string]bool)
	for _, line := range lines(t, "examples/chat/main.go", "examples/chat/chat.go") {
		code[line] = true
	}
	readme := strings.Join(lines(t, "README.md"), "\n")
	_, section, found := strings.Cut(readme, "\n## Use it in your own Go server\n")
	section, _, ends := strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?s)```go\n(.*?)\n```").FindAllStringSubmatch(section, -1)
	if !found || !ends || len(blocks) != 3 {
		t.Fatalf("the section has %d blocks of Go", len(blocks))
	}
	for _, block := range blocks {
		for line := range strings.SplitSeq(block[1], "\n") {
			if !code[line] {
				t.Errorf("no such line in the chat: %s", line)
			}
		}
	}
}

// lines returns the lines of some files, without blanks at the ends and comments.
func lines(t *testing.T, files ...string) (all []string) {
	t.Helper()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			line, _, _ = strings.Cut(line, " // ")
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all
}
