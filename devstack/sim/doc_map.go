package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// doc is a JSON object. Keys that begin with an underscore are the simulator's own and never leave it.
type doc map[string]any

// sub returns the object under a key; nil when there is none.
func (d doc) sub(key string) doc { return asDoc(d[key]) }

func asDoc(v any) doc {
	switch v := v.(type) {
	case doc:
		return v
	case map[string]any:
		return v
	case map[string]string:
		out := doc{}
		for key, value := range v {
			out[key] = value
		}
		return out
	}
	return nil
}

// str returns the string under a key, "" for none.
func (d doc) str(key string) string {
	s, _ := d[key].(string)
	return s
}

// num returns the number under a key, however it was written; 0 for none.
func (d doc) num(key string) int {
	switch v := d[key].(type) {
	case int:
		return v
	case float64:
		return int(v)
	case json.Number:
		n, _ := v.Int64()
		return int(n)
	case string:
		n, _ := strconv.Atoi(v)
		return n
	}
	return 0
}

// flag returns the boolean under a key, or def when there is none.
func (d doc) flag(key string, def bool) bool {
	switch v := d[key].(type) {
	case bool:
		return v
	case string:
		return strings.EqualFold(v, "true")
	}
	return def
}

// has tells whether the key is there and not null.
func (d doc) has(key string) bool { return d[key] != nil }

func (d doc) list(key string) []any {
	switch v := d[key].(type) {
	case []any:
		return v
	case []doc:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out
	case []string:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out
	}
	return nil
}

// docs returns the objects in the list under a key.
func (d doc) docs(key string) []doc {
	var out []doc
	for _, v := range d.list(key) {
		if o := asDoc(v); o != nil {
			out = append(out, o)
		}
	}
	return out
}

// strs returns the strings in the list under a key.
func (d doc) strs(key string) []string {
	if s, ok := d[key].([]string); ok {
		return s
	}
	out := []string{}
	for _, v := range d.list(key) {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// public is what the API shows of it.
func (d doc) public() doc {
	out := maps.Clone(d)
	for key := range out {
		if strings.HasPrefix(key, "_") {
			delete(out, key)
		}
	}
	return out
}

// pick returns the keys of d that are there, or their default from defaults; nothing else.
func (d doc) pick(defaults doc) doc {
	out := maps.Clone(defaults)
	for key := range defaults {
		if d.has(key) {
			out[key] = d[key]
		}
	}
	return out
}

// text is how a value looks in a query string.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
