package policy

import (
	"slices"
	"strings"
)

// check is a node of a parsed rule.
type check interface {
	eval(q *query) bool
}

// query is one question: may this caller act on this target?
type query struct {
	rules  *ruleSet
	creds  *Creds
	target map[string]string
}

type (
	constant bool // @ and !
	inverse  struct{ check }
	allOf    []check
	anyOf    []check
	ruleRef  string         // rule:name
	hasRole  struct{ text } // role:name
	literal  struct {       // 'value':%(key)s
		value string
		text
	}
	attribute struct { // user_id:%(user_id)s
		name string
		text
	}
)

func (c constant) eval(*query) bool  { return bool(c) }
func (c inverse) eval(q *query) bool { return !c.check.eval(q) }

func (c allOf) eval(q *query) bool {
	return !slices.ContainsFunc(c, func(c check) bool { return !c.eval(q) })
}

func (c anyOf) eval(q *query) bool {
	return slices.ContainsFunc(c, func(c check) bool { return c.eval(q) })
}

func (c ruleRef) eval(q *query) bool {
	found := q.rules.find(string(c))
	return found != nil && found.eval(q)
}

func (c hasRole) eval(q *query) bool {
	want, ok := c.expand(q.target)
	want = strings.ToLower(want)
	return ok && slices.ContainsFunc(q.creds.Roles, func(r string) bool { return strings.ToLower(r) == want })
}

func (c literal) eval(q *query) bool {
	want, ok := c.expand(q.target)
	return ok && want == c.value
}

func (c attribute) eval(q *query) bool {
	want, ok := c.expand(q.target)
	if !ok {
		return false
	}
	if c.name == "roles" { // of a list any element may match
		return slices.Contains(q.creds.Roles, want)
	}
	have, ok := credential(q.creds, c.name)
	return ok && have == want
}

// credential is what Python's str() makes of a fact about the caller.
func credential(c *Creds, name string) (value string, known bool) {
	switch name {
	case "user_id":
		return orNone(c.UserID), true
	case "project_id":
		return orNone(c.ProjectID), true
	case "domain_id":
		return orNone(c.DomainID), true
	case "system_scope":
		return orNone(c.SystemScope), true
	case "system": // there for system-scoped tokens only
		return c.SystemScope, c.SystemScope != ""
	case "is_admin":
		if c.IsAdmin {
			return "True", true
		}
		return "False", true
	}
	return "", false
}

// knownCredentials are the names that rules can ask for.
func knownCredentials() []string {
	return []string{"user_id", "project_id", "domain_id", "system_scope", "system", "is_admin", "roles"}
}

func orNone(s string) string {
	if s == "" {
		return "None"
	}
	return s
}

// text is what stands to the right of a colon: pieces of plain text and references to the target.
type text []piece

type piece struct {
	text  string
	isKey bool
}

// expand fills in the target; not ok when it lacks a key.
func (t text) expand(target map[string]string) (s string, ok bool) {
	for _, p := range t {
		part := p.text
		if p.isKey {
			if part, ok = target[p.text]; !ok {
				return "", false
			}
			part = orNone(part)
		}
		s += part // mostly there is one piece, and then nothing is copied
	}
	return s, true
}

// walk visits a rule's nodes.
func walk(c check, visit func(check)) {
	visit(c)
	switch c := c.(type) {
	case inverse:
		walk(c.check, visit)
	case allOf:
		for _, c := range c {
			walk(c, visit)
		}
	case anyOf:
		for _, c := range c {
			walk(c, visit)
		}
	}
}
