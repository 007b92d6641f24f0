package oslo

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRealOsloRandom compares on files put together at random from fragments
// that matter to a reader. The seed is fixed: a failure repeats.
func TestRealOsloRandom(t *testing.T) {
	needOslo(t)
	const n = 1500
	rnd := rand.New(rand.NewPCG(2026, 11))
	cases := map[string]goldenCase{}
	sources := map[string]Sources{}
	for i := range n {
		c := randomCase(rnd)
		c.name = fmt.Sprint(i)
		cases[c.name], sources[c.name] = c, c.sources(t)
	}
	refused := 0
	for name, want := range theirs(t, sources) {
		if want == "error" {
			refused++
		}
		got := ours(t, sources[name])
		allowShadowed(want, got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("case %s %q %q:\noslo.config's values (-), ours (+):\n%s", name, cases[name].files, cases[name].environ, diff)
		}
	}
	if refused == 0 || refused > n/2 {
		t.Errorf("oslo.config refused %d of %d cases: the fragments test too little", refused, n)
	}
}

// allowShadowed evens out the one thing that we do not follow: when a reference
// leads to an option that itself has an unknown reference, oslo.config takes
// the option of the same name in DEFAULT; we call it an error.
func allowShadowed(theirs, ours any) {
	want, ok := theirs.(map[string]any)
	got, ok2 := ours.(map[string]any)
	refused := map[string]any{"error": true}
	if !ok || !ok2 || !cmp.Equal(want["api.host"], any(refused)) && !cmp.Equal(want["api.text"], any(refused)) {
		return
	}
	for name, value := range got {
		if cmp.Equal(value, any(refused)) {
			want[name] = value
		}
	}
}

func randomCase(rnd *rand.Rand) goldenCase {
	pick := func(from []string) string { return from[rnd.IntN(len(from))] }
	names := []string{"text", "text", "text", "host", "state", "dir", "number", "big", "float", "flag", "list", "quoted",
		"multi", "multi", "old_multi", "choice", "port", "renamed", "legacy", "moved", "url", "unknown", "Text"}
	tokens := []string{"a", "b c", "7", "-3", "0x10", "8.0", "1e3", "true", "Off", "yes", "red", "\"", "'", ",", ", ", "=", ":", "#", ";",
		"\\", "$", "$$", "\\$", "$host", "${host}", "$text", "${state}", "$api.text", "${api.url}", "$number", "$flag", "$float",
		"$nope", "$nope.x", "{", "}", " ", "\t", "é", "\u00a0", "\x1f", "[", "]"}
	value := func() string {
		var b strings.Builder
		for range rnd.IntN(4) {
			b.WriteString(pick(tokens))
		}
		return b.String()
	}
	line := func() string {
		switch rnd.IntN(24) {
		case 0, 1, 2:
			return pick([]string{"[DEFAULT]", "[api]", "[API]", "[old]", "[default]", "[other group]"})
		case 3:
			return pick([]string{"", "", "# note = 1", "; note", "   "})
		case 4:
			return pick([]string{" ", "\t"}) + value()
		case 5:
			if rnd.IntN(8) == 0 {
				return pick([]string{"[", "[]", "[x", "[x] # y", "= 1", "word", "  more"})
			}
			fallthrough
		default:
			return pick(names) + pick([]string{"=", " = ", ": ", ":"}) + value() + pick([]string{"", "", " ", "\r", "\n  " + pick(tokens)})
		}
	}
	var c goldenCase
	for range 1 + rnd.IntN(2) {
		lines := []string{pick([]string{"[DEFAULT]", "[DEFAULT]", "[api]"})}
		for range rnd.IntN(12) {
			lines = append(lines, line())
		}
		c.files = append(c.files, strings.Join(lines, "\n"))
	}
	if rnd.IntN(4) == 0 {
		c.environ = []string{"OS_API__HOST=" + value(), "OS_DEFAULT__FLAG= yes", "OS_DEFAULT__TEXT=" + value()}
	}
	return c
}
