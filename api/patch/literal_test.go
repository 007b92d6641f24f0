package patch

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden file; the values are those of the real ast.literal_eval")

const goldenFile = "testdata/literals.golden.json"

func goldenTexts() []string {
	texts := []string{
		"{'a': 'b', 'c': 'd'}", `[{'key': 'k', 'value': '', 'effect': 'NoSchedule'}]`, `{"a": "b"}`, "{}", "[]", "()", "(1)", "(1,)", "(1, 2)", "((1))", "[[], [[]]]", "{'a': {'b': ['c']}}",
		"{'a': 1,}", "[1,]", "[,]", "{,}", "(,)", "[1,,2]", "[1 2]", "{'a' 1}", "{'a': }", "{'a'}", "{'a', 'b'}", "{1: 'a'}", "{None: 1}", "{'a': 1, 'a': 2}", "{'a': 1", "[1", "(1", "}", "", "  ",
		" 'a' ", "\t'a'", "'a'\n", "[1,\n2]", "[\n]", "'a' 'b'", `'a'"b"`, "'a", `"a`, `'a"`, `"it's"`, `'say "x"'`, "u'a'", `u"é"`, "'é✓😀'", `'\xe9\u2713\U0001f600'`, `'\101\0\377\400'`, `'\8'`, `'\x4'`, `'\xzz'`, `'\u12'`,
		`'\U00110000'`, `'\ud83d'`, `'\a\b\f\n\r\t\v\\\'\"'`, `'\q\/\ '`, "'a\\\nb'", "'a\nb'", `'\`, `'\'`, `'\\'`, "'\x00'", "'\t'",
		"True", "False", "None", "[True, False, None]", "TRUE", "Truex", "nothing", "a", "f()", "__import__('os')", "1+1", "'a'*3", "...", "b'a'", "f'a'", "1j", "1+2j", "{**{}}", "[*[]]", "lambda: 1",
		"0", "1", "-1", "+1", "- 1", "--1", "-", "00", "01", "0_0", "1_000", "1__0", "1_", "_1", "0x1F", "0X1f", "0o17", "0b101", "0x", "0xg", "017", "12345678901234567890", "-0", "- 0x10",
		"1.5", "1.0", "-1.5", "1.", ".5", ".", "1e5", "1E5", "1e-5", "1e+5", "0.1", "1e15", "1e16", "123456789012345678.0", "1.5e300", "1e400", "1e", "1.e1", "1_0.5", "1._5", "1e1_0", "0.00001", "0.0001", "5e-324", "01.5", "0.0", "1.2.3", "0x1.8p1", "1p3",
		"inf", "nan", "{'a': 1.0, 'b': 10, 'c': True, 'd': None}", "{'a': -1}", "[0.30000000000000004]", `{"kube_tag": "v1.37.2", "a": 1}`, "{'a': ('b', 'c')}", "['a' 'b', 'c']", "{'a': 'b' 'c'}", "'a' 1",
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		texts = append(texts, pythonText(r, 3))
	}
	return texts
}

// pythonText writes a literal, sometimes with a mistake.
func pythonText(r *rand.Rand, depth int) string {
	scalars := []string{"'a'", `"b'c"`, `'\n\x41'`, "1", "-2", "3.25", "1e22", "True", "None", "''", "'ü'", "0x_1", "1.50", "u'x'", "'a' 'b'"}
	if depth == 0 || r.IntN(4) == 0 {
		return scalars[r.IntN(len(scalars))]
	}
	items := make([]string, r.IntN(4))
	kind := r.IntN(3)
	for i := range items {
		items[i] = pythonText(r, depth-1)
		if kind == 0 {
			items[i] = "'k" + strconv.Itoa(i) + "': " + items[i]
		}
	}
	text := strings.Join(items, []string{", ", ",", " ,\n"}[r.IntN(3)])
	if len(items) > 0 && r.IntN(3) == 0 {
		text += ","
	}
	return "{[("[kind:kind+1] + text + "}])"[kind:kind+1]
}

func TestLiteralsAreThoseOfPython(t *testing.T) {
	texts := goldenTexts()
	if *update {
		writeGolden(t, texts)
	}
	raw, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]*struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		want, ok := golden[text]
		if !ok {
			t.Errorf("%q is not in %s: run with -update", text, goldenFile)
			continue
		}
		got, err := ParseLiteral(text)
		switch {
		case want == nil && err == nil:
			t.Errorf("%q: Python refuses it, we read %v", text, got)
		case want != nil && err != nil:
			t.Errorf("%q: Python reads %s, we say %v", text, want.Value, err)
		case err == nil:
			if diff := cmp.Diff(decode(t, want.Value), got); diff != "" {
				t.Errorf("%q (-Python +ours):\n%s", text, diff)
			}
		}
	}
}

func decode(t testing.TB, raw []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func writeGolden(t *testing.T, texts []string) {
	t.Helper()
	raw, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/literals.py")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(raw), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ask Python: %v", err)
	}
	if err := os.WriteFile(goldenFile, append(out, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What Python refuses and we take, and the other way round.
func TestLiteralsThatPythonDoesNotRead(t *testing.T) {
	for _, c := range []struct {
		text string
		want any // nil: an error
	}{
		{`{"a": true, "b": [false, null]}`, map[string]any{"a": true, "b": []any{false, nil}}},
		{`"\ud83d\ude00"`, "😀"},
		{`"\ud83d"`, nil},
		{`"\ud83d\u0041"`, nil},
		{`"a\/b"`, "a/b"},
		{`'a\/b'`, `a\/b`},
		{`'''a'''`, nil},
		{`'\N{BULLET}'`, nil},
		{"1, 2", nil},
		{"[1] # comment", nil},
		{strings.Repeat("9", maxDigits), json.Number(strings.Repeat("9", maxDigits))},
		{strings.Repeat("9", maxDigits+1), nil},
		{strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), nil},
	} {
		got, err := ParseLiteral(c.text)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.text, diff)
		}
		var e *Error
		if (c.want == nil) != errors.As(err, &e) {
			t.Errorf("%q: error %v", c.text, err)
		}
	}
}

// Whatever JSON is, is a literal of the same value.
func FuzzParseLiteral(f *testing.F) {
	for _, text := range goldenTexts() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseLiteral(text)
		if err == nil {
			if _, err := json.Marshal(got); err != nil {
				t.Errorf("%q gives %v, which JSON does not have: %v", text, got, err)
			}
			return
		}
		var v any
		if json.Unmarshal([]byte(text), &v) == nil && depth(v) < maxDepth && !strings.Contains(text, `\u`) && !strings.Contains(err.Error(), "digits") {
			t.Errorf("JSON %q is refused: %v", text, err)
		}
	})
}

func depth(v any) (d int) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			d = max(d, depth(x))
		}
	case map[string]any:
		for _, x := range v {
			d = max(d, depth(x))
		}
	}
	return d + 1
}
