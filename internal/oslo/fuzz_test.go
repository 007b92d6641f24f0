package oslo

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzReader: whatever the file is, it is read to an end without a panic, no mistake quotes a line, and what was understood
// means the same when it is written down again.
func FuzzReader(f *testing.F) {
	for _, c := range goldenCases {
		for _, content := range c.files {
			f.Add([]byte(content))
		}
	}
	f.Add([]byte("[a]\nk = 'x\n  y'\n\n[A]\nk = \"\"\nk:=\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, errs := parse("a.conf", data)
		for _, err := range errs {
			if text, ok := strings.CutPrefix(err.Error(), "a.conf:"); !ok || strings.Contains(text, "\n") {
				t.Errorf("a mistake without its place: %q", err)
			}
		}
		written := rewrite(got)
		again, errs := parse("b.conf", []byte(written))
		if len(errs) > 0 {
			t.Fatalf("%q was understood, and written as %q it is not: %v", data, written, errs)
		}
		if diff := cmp.Diff(values(got), values(again)); diff != "" {
			t.Errorf("%q, written as %q, means something else (-before +after):\n%s", data, written, diff)
		}
	})
}

// rewrite writes a file with every value in quotes.
func rewrite(f *file) string {
	var b strings.Builder
	for _, k := range f.keys {
		for _, a := range f.values[k] {
			first, rest, more := strings.Cut(a.value, "\n")
			name := k.name
			if strings.ContainsAny(name[:1], "[#;") { // understood as a name after white space only, of a kind that continues no value
				name = "\f" + name
			}
			fmt.Fprintf(&b, "[%s]\n%s = \"%s\"\n", k.group, name, first)
			for line := range strings.SplitSeq(rest, "\n") {
				if more {
					fmt.Fprintf(&b, "  %s\n", line)
				}
			}
		}
	}
	return b.String()
}

func values(f *file) map[string][]string {
	out := map[string][]string{}
	for k, l := range f.values {
		for _, a := range l {
			out[k.String()] = append(out[k.String()], a.value)
		}
	}
	return out
}

// FuzzLoad: values of every kind, references among them included, are converted or refused, and a secret is not told.
func FuzzLoad(f *testing.F) {
	const secret = "tops3cret"
	for _, c := range goldenCases {
		for _, content := range c.files {
			f.Add(content, "x")
		}
	}
	f.Add("[DEFAULT]\ntext = $password\nnumber = ${password}", "${text}")
	f.Fuzz(func(t *testing.T, content, environ string) {
		if strings.Contains(content, secret) || strings.ContainsRune(environ, 0) {
			t.Skip()
		}
		content += "\n[vault]\npassword = " + secret + "$no_such\nport = " + secret + "\n"
		s := goldenCase{files: []string{content}, environ: []string{"OS_DEFAULT__TEXT=" + environ}}.sources(t)
		var vault struct {
			Password string `opt:"password" secret:"true"`
			Port     int    `opt:"port" secret:"true"`
		}
		_, err := Load(s, []Group{{Name: "DEFAULT", Target: &goldenDefault{}}, {Name: "api", Target: &goldenAPI{}}, {Name: "vault", Target: &vault}}, nil)
		if err == nil {
			t.Error("a port that is no number was accepted")
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("a secret is told: %v", err)
		}
	})
}
