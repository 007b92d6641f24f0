package policy

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// checkAny: whatever the text, no panic; what is accepted can be evaluated, and means the same when it is written down again.
func checkAny(t interface{ Errorf(string, ...any) }, raw []byte) {
	s, err := parseFile(raw)
	if err != nil {
		return
	}
	again := map[string]check{}
	for name, c := range s {
		written := writeRule(c)
		if again[name], err = parseRule(written); err != nil {
			t.Errorf("rule %q was understood, and written as %q it is not: %v", name, written, err)
			return
		}
		if twice := writeRule(again[name]); !reflect.DeepEqual(written, twice) {
			t.Errorf("rule %q, written as %q, is now %q", name, written, twice)
		}
	}
	before, after := &ruleSet{checks: s, defaultRule: "default"}, &ruleSet{checks: again, defaultRule: "default"}
	if before.circle() != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		for _, target := range []map[string]string{{"a": "b"}, {}} {
			creds := &Creds{UserID: "b", Roles: []string{"a"}}
			was := before.find(name).eval(&query{rules: before, creds: creds, target: target})
			if is := after.find(name).eval(&query{rules: after, creds: creds, target: target}); is != was {
				t.Errorf("rule %q says %v, and written as %q %v", name, was, writeRule(s[name]), is)
			}
		}
	}
}

// writeRule writes a rule as text; as a list of lists where a check has characters that only the list can hold.
func writeRule(c check) any {
	plain := true
	walk(c, func(c check) {
		text, isLeaf := writeLeaf(c)
		plain = plain && (!isLeaf || slices.Equal(strings.Fields(text), []string{text}) && !strings.HasPrefix(text, "(") && !strings.HasSuffix(text, ")"))
	})
	if plain {
		return writeText(c)
	}
	list := []any{}
	or, _ := c.(anyOf)
	for _, and := range or {
		inner := []any{}
		all, _ := and.(allOf)
		for _, c := range all {
			text, _ := writeLeaf(c)
			inner = append(inner, text)
		}
		list = append(list, inner)
	}
	return list
}

func writeText(c check) string {
	join := func(l []check, word, none string) string {
		var parts []string
		for _, c := range l {
			parts = append(parts, writeText(c))
		}
		switch len(parts) {
		case 0:
			return none
		case 1:
			return parts[0]
		}
		return "(" + strings.Join(parts, " "+word+" ") + ")"
	}
	switch c := c.(type) {
	case inverse:
		return "not " + writeText(c.check)
	case allOf:
		return join(c, "and", "@")
	case anyOf:
		return join(c, "or", "!")
	}
	text, _ := writeLeaf(c)
	return text
}

func writeLeaf(c check) (text string, isLeaf bool) {
	switch c := c.(type) {
	case constant:
		return map[constant]string{true: "@", false: "!"}[c], true
	case ruleRef:
		return "rule:" + string(c), true
	case hasRole:
		return "role:" + writeMatch(c.text), true
	case attribute:
		return c.name + ":" + writeMatch(c.text), true
	case literal:
		quote := "'"
		if strings.Contains(c.value, quote) {
			quote = `"`
		}
		return quote + c.value + quote + ":" + writeMatch(c.text), true
	}
	return "", false
}

func writeMatch(t text) string {
	var b strings.Builder
	for _, p := range t {
		if p.isKey {
			b.WriteString("%(" + p.text + ")s")
			continue
		}
		b.WriteString(strings.ReplaceAll(p.text, "%", "%%"))
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	for _, c := range goldenCases() {
		for _, content := range c.Files {
			f.Add([]byte(content))
		}
	}
	for _, rule := range []string{`a: "'x:y':%(a)s"`, `a: "'(':x"`, `a: [["role:a) b", "@"], []]`, `a: "not(role:a)"`, `a: "user_id:100%%%(a)s"`, `a: "((rule:b))or!"`, `{"a": [["'b c':%(a)s"]], "b": "not rule:a"}`} {
		f.Add([]byte(rule))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { checkAny(t, raw) })
}
