package bridge

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWholeNumbersComeBackFromTheDatabaseAsSuch(t *testing.T) {
	t.Parallel()
	const kept = `{"id": 12884901889, "none": null, "text": "1", "half": 0.5, "huge": 1e300, "lists": [[1, 2.5], [{"deep": [-3]}], []], "object": {"n": 9007199254740991}}`
	var variables map[string]any
	if err := json.Unmarshal([]byte(kept), &variables); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"id": int64(12884901889), "none": nil, "text": "1", "half": 0.5, "huge": 1e300,
		"lists":  []any{[]any{int64(1), 2.5}, []any{map[string]any{"deep": []any{int64(-3)}}}, []any{}},
		"object": map[string]any{"n": int64(9007199254740991)},
	}
	if diff := cmp.Diff(want, whole(variables)); diff != "" {
		t.Error(diff)
	}
	if whole(nil) != nil {
		t.Error("there are variables where there were none")
	}
}
