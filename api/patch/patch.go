// Package patch reads and applies the JSON patches of Magnum's API: a list of add, replace and remove on attributes of a resource,
// with values that are text or whole numbers. Maps and lists come as text that holds a Python literal or JSON.
package patch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const (
	// MaxBody is the size of the largest patch. An honest one replaces the labels of a template.
	MaxBody = 1 << 20
	// MaxOps is the greatest number of operations. Every one of them walks the document.
	MaxOps = 200
)

// Error is a patch that is refused: HTTP 400 with its text.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func refuse(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Rules tell what a resource allows. Paths are those of root attributes: "/labels".
type Rules struct {
	Internal     []string // must not be touched, nor anything inside them
	NonRemovable []string // must not be removed
	Literal      []string // maps and lists: replaced by a literal
	Integers     []string // whole numbers, "3" too. Attributes that hold a number now need not be named
}

// Op is one operation. It is made by Parse only.
type Op struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"` // string, bool or json.Number; for a literal attribute a map or list too
}

// pathForm knows the letters of all languages, as Python's \w does.
var pathForm = regexp.MustCompile(`^(/[\pL\pN_-]+)+$`)

// Parse reads a patch and checks everything that does not need the resource. Every error is an *Error.
func Parse(body []byte, rules Rules) ([]Op, error) {
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0:
		return nil, refuse("Missing argument: \"patch\"")
	case len(body) > MaxBody:
		return nil, refuse("The patch is larger than %d bytes.", MaxBody)
	case !json.Valid(body):
		return nil, refuse("Request is not in valid JSON format")
	case body[0] != '[':
		return nil, invalid("patch", string(body), "A list of operations is expected.")
	}
	var items []json.RawMessage
	if err := json.Unmarshal(body, &items); err != nil {
		return nil, refuse("Request is not in valid JSON format")
	}
	if len(items) > MaxOps {
		return nil, refuse("The patch has %d operations; at most %d are allowed.", len(items), MaxOps)
	}
	ops := make([]Op, 0, len(items))
	for _, item := range items {
		op, err := parseOp(item, rules)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

func invalid(field, value, reason string) error {
	const limit = 200
	if r := []rune(value); len(r) > limit {
		value = string(r[:limit]) + "…"
	}
	return refuse("Invalid input for field/attribute %s. Value: '%s'. %s", strings.TrimPrefix(field, "/"), value, reason)
}

func parseOp(item json.RawMessage, rules Rules) (Op, error) {
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(item))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil || fields == nil {
		return Op{}, invalid("patch", string(item), "An operation is an object.")
	}
	for name := range fields {
		if name != "op" && name != "path" && name != "value" {
			return Op{}, refuse("Unknown attribute for argument patch: %s", name)
		}
	}
	var op Op
	for name, target := range map[string]*string{"op": &op.Op, "path": &op.Path} {
		text, ok := fields[name].(string)
		switch {
		case fields[name] == nil:
			return op, invalid(name, "None", "Mandatory field missing.")
		case !ok:
			return op, invalid(name, fmt.Sprint(fields[name]), "Wrong type. Expected string.")
		}
		*target = text
	}
	if op.Op != "add" && op.Op != "replace" && op.Op != "remove" {
		return op, invalid("op", op.Op, "Value should be one of: add, remove, replace.")
	}
	if !pathForm.MatchString(op.Path) {
		return op, invalid("path", op.Path, `Value should match the pattern ^(/[\w-]+)+$.`)
	}
	if err := checkPath(op, rules); err != nil || op.Op == "remove" {
		return op, err
	}
	var err error
	op.Value, err = readValue(op.Path, fields["value"], rules)
	return op, err
}

func checkPath(op Op, rules Rules) error {
	if slices.Contains(rules.Internal, root(op.Path)) {
		return refuse("'%s' is an internal attribute and can not be updated", op.Path)
	}
	if op.Op == "remove" && slices.Contains(rules.NonRemovable, op.Path) {
		return refuse("'%s' is a mandatory attribute and can not be removed", op.Path)
	}
	return nil
}

// root is the attribute that a path leads into.
func root(path string) string {
	if i := strings.IndexByte(path[1:], '/'); i >= 0 {
		return path[:i+1]
	}
	return path
}

func readValue(path string, value any, rules Rules) (any, error) {
	if value == nil {
		return nil, refuse("'add' and 'replace' operations needs value")
	}
	if slices.Contains(rules.Literal, path) {
		return readLiteral(path, value)
	}
	switch v := value.(type) {
	case string:
		if slices.Contains(rules.Integers, path) {
			n, ok := decimal(v)
			if !ok {
				return nil, invalid(path, v, "Wrong type. Expected integer.")
			}
			return n, nil
		}
		return v, nil
	case bool:
		if slices.Contains(rules.Integers, path) {
			return asNumber(v), nil
		}
		return v, nil
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			return v, nil
		}
	}
	return nil, invalid("value", show(value), "A string or an integer is expected.")
}

// readLiteral reads the new value of a map or list.
func readLiteral(path string, value any) (any, error) {
	if text, ok := value.(string); ok {
		parsed, err := ParseLiteral(text)
		if err != nil {
			return nil, err
		}
		value = parsed
	}
	switch value.(type) {
	case map[string]any, []any:
		return value, nil
	}
	return nil, invalid(path, show(value), "A map or a list is expected.")
}

func show(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(raw)
}

var decimalForm = regexp.MustCompile(`^[+-]?[0-9]{1,18}$`)

// decimal reads "3" as forms send it.
func decimal(s string) (json.Number, bool) {
	s = strings.TrimSpace(s)
	if !decimalForm.MatchString(s) {
		return "", false
	}
	sign := ""
	if s[0] == '-' {
		sign = "-"
	}
	digits := strings.TrimLeft(s, "+-0")
	if digits == "" {
		return "0", true
	}
	return json.Number(sign + digits), true
}

// asNumber is what Python makes of a boolean where a number is expected.
func asNumber(b bool) json.Number {
	if b {
		return "1"
	}
	return "0"
}
