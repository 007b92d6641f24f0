package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// maxDepth bounds how deep parentheses and nots may nest, so that no file can exhaust the stack.
const maxDepth = 100

var (
	errIncomplete = errors.New("the rule is not complete")
	errHTTP       = errors.New("http: and https: checks are not supported: no other server is asked for decisions")
)

// parseRule reads a rule as it stands in a file: text, or the older list of lists of checks, which are an or of ands.
func parseRule(rule any) (check, error) {
	switch rule := rule.(type) {
	case string:
		return parseText(rule)
	case []any:
		return parseList(rule)
	}
	return nil, fmt.Errorf("a rule is text or a list, not %T; \"\" allows everybody, \"!\" nobody", rule)
}

func parseList(list []any) (check, error) {
	if len(list) == 0 {
		return constant(true), nil
	}
	var or anyOf
	for _, item := range list {
		inner, isList := item.([]any)
		if !isList {
			inner = []any{item}
		}
		if len(inner) == 0 {
			continue
		}
		var and allOf
		for _, word := range inner {
			s, ok := word.(string)
			if !ok {
				return nil, fmt.Errorf("a check is text, not %T", word)
			}
			c, err := parseCheck(s)
			if err != nil {
				return nil, err
			}
			and = append(and, c)
		}
		or = append(or, and)
	}
	return or, nil
}

func parseText(rule string) (check, error) {
	if rule == "" {
		return constant(true), nil
	}
	p := &parser{words: split(rule)}
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	if w := p.peek(); w.text != "" {
		return nil, fmt.Errorf("%q is unexpected", w.text)
	}
	return c, nil
}

// word is a token: ( ) and or not, or a check.
type word struct {
	text    string
	isCheck bool
}

// split cuts a rule into words. Parentheses belong to a check except at its ends: %(key)s has some.
func split(rule string) (words []word) {
	for _, field := range strings.Fields(rule) {
		open := strings.TrimLeft(field, "(")
		core := strings.TrimRight(open, ")")
		for range len(field) - len(open) {
			words = append(words, word{text: "("})
		}
		switch lower := strings.ToLower(core); lower {
		case "":
		case "and", "or", "not":
			words = append(words, word{text: lower})
		default:
			words = append(words, word{text: core, isCheck: true})
		}
		for range len(open) - len(core) {
			words = append(words, word{text: ")"})
		}
	}
	return words
}

// parser descends by precedence: not, and, or.
type parser struct {
	words []word
	depth int
}

func (p *parser) peek() word {
	if len(p.words) == 0 {
		return word{}
	}
	return p.words[0]
}

// take consumes the next word when it is this one.
func (p *parser) take(text string) bool {
	if w := p.peek(); w.isCheck || w.text != text {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *parser) or() (check, error) {
	first, err := p.and()
	checks := anyOf{first}
	for err == nil && p.take("or") {
		var c check
		c, err = p.and()
		checks = append(checks, c)
	}
	if len(checks) == 1 {
		return first, err
	}
	return checks, err
}

func (p *parser) and() (check, error) {
	first, err := p.single()
	checks := allOf{first}
	for err == nil && p.take("and") {
		var c check
		c, err = p.single()
		checks = append(checks, c)
	}
	if len(checks) == 1 {
		return first, err
	}
	return checks, err
}

func (p *parser) single() (check, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("the rule nests deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	switch {
	case p.take("not"):
		c, err := p.single()
		return inverse{c}, err
	case p.take("("):
		c, err := p.or()
		if err == nil && !p.take(")") {
			err = errors.New("a ) is missing")
		}
		return c, err
	}
	w := p.peek()
	switch {
	case w.isCheck:
		p.words = p.words[1:]
		return parseCheck(w.text)
	case w.text == "":
		return nil, errIncomplete
	}
	return nil, fmt.Errorf("%q is unexpected", w.text)
}

// parseCheck reads a check: @, ! or kind:match.
func parseCheck(s string) (check, error) {
	switch s {
	case "@":
		return constant(true), nil
	case "!":
		return constant(false), nil
	}
	kind, match, ok := strings.Cut(s, ":")
	if !ok {
		return nil, fmt.Errorf("%q is no check: there are !, @ and kind:match", s)
	}
	switch kind {
	case "http", "https":
		return nil, errHTTP
	case "rule":
		return ruleRef(match), nil
	}
	t, err := parseMatch(match)
	if err != nil {
		return nil, fmt.Errorf("check %q: %w", s, err)
	}
	if kind == "role" {
		return hasRole{t}, nil
	}
	value, isLiteral, err := parseLiteral(kind)
	switch {
	case err != nil:
		return nil, fmt.Errorf("check %q: %w", s, err)
	case isLiteral:
		return literal{value, t}, nil
	}
	return attribute{kind, t}, nil
}

// parseMatch reads Python's %-format as far as rules use it: %(key)s and %%.
func parseMatch(s string) (text, error) {
	var t text
	for s != "" {
		plain, rest, found := strings.Cut(s, "%")
		if plain != "" {
			t = append(t, piece{text: plain})
		}
		if !found {
			break
		}
		if after, ok := strings.CutPrefix(rest, "%"); ok {
			t, s = append(t, piece{text: "%"}), after
			continue
		}
		key, after, ok := strings.Cut(rest, ")s")
		if !ok || !strings.HasPrefix(key, "(") || strings.ContainsAny(key[1:], "()") {
			return nil, errors.New("% is to be followed by (key)s or another %")
		}
		t, s = append(t, piece{text: key[1:], isKey: true}), after
	}
	return t, nil
}

var (
	number     = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)
	identifier = regexp.MustCompile(`^[\pL_][\pL\pN_.-]*$`)
)

// parseLiteral reads the left side of a check where it is a Python constant, and gives it as str() writes it.
func parseLiteral(s string) (value string, isLiteral bool, err error) {
	switch {
	case s == "True" || s == "False" || s == "None" || number.MatchString(s):
		return s, true, nil
	case identifier.MatchString(s):
		return "", false, nil
	case len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0] && !strings.ContainsAny(s[1:len(s)-1], string(s[0])+`\`):
		return s[1 : len(s)-1], true, nil
	}
	return "", false, fmt.Errorf("%q is neither a name nor a constant", s)
}
