package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ruleSet is what is in force. It never changes once it is made.
type ruleSet struct {
	checks      map[string]check
	scopes      map[string][]string
	defaultRule string
}

// find gives the check of a rule, that of the default rule when there is none, or nil.
func (s *ruleSet) find(name string) check {
	if c, ok := s.checks[name]; ok {
		return c
	}
	return s.checks[s.defaultRule]
}

// build puts the files' rules over Magnum's.
func build(cfg Config, overrides map[string]check) (s *ruleSet, warnings []string, err error) {
	s = &ruleSet{checks: map[string]check{}, scopes: map[string][]string{}, defaultRule: cfg.DefaultRule}
	for _, r := range Rules() {
		c, err := parseText(r.Check)
		if err != nil {
			return nil, nil, fmt.Errorf("default of rule %q: %w", r.Name, err)
		}
		if r.Deprecated != "" && !cfg.EnforceNewDefaults {
			old, err := parseText(r.Deprecated)
			if err != nil {
				return nil, nil, fmt.Errorf("deprecated default of rule %q: %w", r.Name, err)
			}
			c = anyOf{c, old}
		}
		if old, ok := overrides[r.deprecatedName()]; ok && old != check(ruleRef(r.Name)) {
			c = old
		}
		s.checks[r.Name], s.scopes[r.Name] = c, r.Scope
	}
	known := maps.Clone(s.checks)
	maps.Copy(s.checks, overrides)
	if err := s.circle(); err != nil {
		return nil, nil, err
	}
	return s, s.doubts(known), nil
}

// circle finds a rule that refers to itself, through others or not.
func (s *ruleSet) circle() error {
	done := map[string]bool{}
	var follow func(name string, path []string) error
	follow = func(name string, path []string) error {
		if _, ok := s.checks[name]; !ok {
			name = s.defaultRule
		}
		if i := slices.Index(path, name); i >= 0 {
			return fmt.Errorf("rules refer to each other in a circle: %s", strings.Join(append(path[i:], name), " -> "))
		}
		if done[name] || s.checks[name] == nil {
			return nil
		}
		path = append(path, name)
		for _, next := range references(s.checks[name]) {
			if err := follow(next, path); err != nil {
				return err
			}
		}
		done[name] = true
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.checks)) {
		if err := follow(name, nil); err != nil {
			return err
		}
	}
	return nil
}

func references(c check) (names []string) {
	walk(c, func(c check) {
		if r, ok := c.(ruleRef); ok {
			names = append(names, string(r))
		}
	})
	return names
}

// doubts are what an operator has probably not meant.
func (s *ruleSet) doubts(known map[string]check) (warnings []string) {
	used := map[string]bool{s.defaultRule: true}
	for _, r := range Rules() {
		used[r.deprecatedName()] = true
	}
	for _, name := range slices.Sorted(maps.Keys(s.checks)) {
		walk(s.checks[name], func(c check) {
			switch c := c.(type) {
			case ruleRef:
				used[string(c)] = true
				if s.checks[string(c)] == nil {
					warnings = append(warnings, fmt.Sprintf("policy rule %q refers to rule %q, which does not exist", name, string(c)))
				}
			case attribute:
				if !slices.Contains(knownCredentials(), c.name) {
					warnings = append(warnings, fmt.Sprintf("policy rule %q asks for %q, which callers do not have: that never matches", name, c.name))
				}
			}
		})
	}
	for _, name := range slices.Sorted(maps.Keys(s.checks)) {
		if known[name] == nil && !used[name] {
			warnings = append(warnings, fmt.Sprintf("policy rule %q is ignored: this service does not know it, and no other rule refers to it", name))
		}
	}
	return warnings
}
