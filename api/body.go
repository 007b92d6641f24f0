package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// maxBody bounds a request's body. The largest honest one is a template with many labels.
const maxBody = 1 << 20

// readBody reads the JSON body of a request; nil when there is none.
func readBody(c echo.Context) ([]byte, error) {
	r := c.Request()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	if len(body) > maxBody {
		return nil, fail(http.StatusRequestEntityTooLarge, "The request is larger than %d bytes.", maxBody)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	if kind := r.Header.Get("Content-Type"); kind != "" {
		if m, _, err := mime.ParseMediaType(kind); err != nil || m != "application/json" {
			return nil, fail(http.StatusUnsupportedMediaType, "Unknown mimetype: %s", kind)
		}
	}
	if !isText(body) {
		return nil, badRequest("Request is not in valid JSON format: it is not UTF-8 throughout")
	}
	return body, nil
}

// isText tells whether every text of a JSON document is kept as it is when it is read: what is not UTF-8, and the escape
// of half a surrogate pair, would silently become U+FFFD.
func isText(body []byte) bool {
	if !utf8.Valid(body) {
		return false
	}
	for rest := body; ; {
		i := bytes.IndexByte(rest, '\\')
		if i < 0 || i+1 >= len(rest) {
			return true
		}
		rest = rest[i:]
		unit := codeUnit(rest)
		switch {
		case unit < 0:
			rest = rest[2:] // another escape
		case !utf16.IsSurrogate(unit):
			rest = rest[6:]
		case utf16.DecodeRune(unit, codeUnit(rest[6:])) == utf8.RuneError:
			return false
		default:
			rest = rest[12:]
		}
	}
}

// codeUnit is what a \uXXXX at the start stands for; -1 where there is none.
func codeUnit(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

// form reads the attributes of a body one by one and remembers what is wrong. Null and the empty string are «not given»
// for everything that is optional.
type form struct {
	arg  string
	raw  map[string]json.RawMessage
	used map[string]bool
	err  error
}

func newForm(c echo.Context, arg string) (*form, error) {
	body, err := readBody(c)
	if err != nil {
		return nil, err
	}
	if body == nil {
		return nil, badRequest("Missing argument: %q", arg)
	}
	return parseForm(body, arg)
}

func parseForm(body []byte, arg string) (*form, error) {
	f := &form{arg: arg, used: map[string]bool{}}
	if !json.Valid(body) {
		return nil, badRequest("Request is not in valid JSON format")
	}
	if err := json.Unmarshal(body, &f.raw); err != nil || f.raw == nil {
		return nil, badRequest("Invalid input for field/attribute %s. Value: '%s'. A JSON object is expected.", arg, shorten(body))
	}
	return f, nil
}

func shorten(raw []byte) string {
	const limit = 200
	if len(raw) > limit {
		return string(raw[:limit]) + "…"
	}
	return string(raw)
}

func (f *form) fail(name, reason string, args ...any) {
	f.err = errors.Join(f.err, about(name, badRequest("Invalid input for field/attribute %s. Value: '%s'. %s", name, strings.Trim(shorten(f.raw[name]), `"`), fmt.Sprintf(reason, args...))))
}

// value gives an attribute's JSON; nil when it is not given.
func (f *form) value(name string) json.RawMessage {
	f.used[name] = true
	v := f.raw[name]
	if v == nil || string(v) == "null" || string(v) == `""` {
		return nil
	}
	return v
}

// String reads text of 1 to limit characters.
func (f *form) String(name string, limit int) *string {
	v := f.value(name)
	if v == nil {
		return nil
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		f.fail(name, "Wrong type. Expected string.")
		return nil
	}
	if n := len([]rune(s)); n > limit {
		f.fail(name, "Value should have a maximum length of %d characters, it has %d.", limit, n)
		return nil
	}
	if strings.ContainsRune(s, 0) {
		f.fail(name, "Value has a NUL character.")
		return nil
	}
	return &s
}

// Match reads text that matches a pattern.
func (f *form) Match(name string, limit int, pattern *regexp.Regexp) *string {
	s := f.String(name, limit)
	if s != nil && !pattern.MatchString(*s) {
		f.fail(name, "Value should match the pattern %s.", pattern)
		return nil
	}
	return s
}

// Choice reads one of the words.
func (f *form) Choice(name string, words ...string) *string {
	s := f.String(name, 255)
	if s != nil && !slices.Contains(words, *s) {
		f.fail(name, "Value should be one of: %s.", strings.Join(words, ", "))
		return nil
	}
	return s
}

// Int reads a whole number, also as a decimal string or a float without a fraction, as clients send it.
func (f *form) Int(name string, least, most int) *int {
	v := f.value(name)
	if v == nil {
		return nil
	}
	text := strings.Trim(string(v), `"`)
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		x, err := strconv.ParseFloat(string(v), 64)
		if err != nil || math.Abs(x) > math.MaxInt32 {
			f.fail(name, "Wrong type. Expected integer.")
			return nil
		}
		n = int(x)
	}
	switch {
	case n < least:
		f.fail(name, "Value should be greater or equal to %d.", least)
	case n > most:
		f.fail(name, "Value should be less or equal to %d.", most)
	}
	return &n
}

// Bool reads a truth value in any of the ways in which clients write it.
func (f *form) Bool(name string) *bool {
	v := f.value(name)
	if v == nil {
		return nil
	}
	b, ok := ops.ParseBool(strings.Trim(string(v), `"`))
	if !ok {
		f.fail(name, "Wrong type. Expected boolean.")
		return nil
	}
	return &b
}

// Strings reads a map whose values become text as Python writes it: true → True.
func (f *form) Strings(name string) db.Strings {
	v := f.value(name)
	if v == nil {
		return nil
	}
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	if d.Decode(&m) != nil {
		f.fail(name, "Wrong type. Expected a map of strings.")
		return nil
	}
	out := db.Strings{}
	for k, x := range m {
		switch x := x.(type) {
		case string:
			out[k] = x
		case json.Number:
			out[k] = x.String()
		case bool:
			out[k] = map[bool]string{true: "True", false: "False"}[x]
		default:
			f.fail(name, "The value of %q should be text, a number or a boolean.", k)
			return nil
		}
		if strings.ContainsRune(k+out[k], 0) {
			f.fail(name, "%q or its value has a NUL character.", k)
			return nil
		}
		if k == "" || len(k) > 255 || len(out[k]) > 4096 {
			f.fail(name, "Keys have 1 to 255 characters and values at most 4096; %q has not.", shorten([]byte(k)))
			return nil
		}
	}
	return out
}

// List reads a list of strings.
func (f *form) List(name string) []string {
	v := f.value(name)
	if v == nil {
		return nil
	}
	var l []string
	if json.Unmarshal(v, &l) != nil {
		f.fail(name, "Wrong type. Expected a list of strings.")
	}
	return l
}

// Decode reads what has a form of its own, which is expected.
func (f *form) Decode(name, expected string, into any) {
	v := f.value(name)
	if v == nil {
		return
	}
	d := json.NewDecoder(bytes.NewReader(v))
	d.DisallowUnknownFields()
	if d.Decode(into) != nil {
		f.fail(name, "Wrong type. Expected %s.", expected)
	}
}

// Ignore accepts attributes that have no effect.
func (f *form) Ignore(names ...string) {
	for _, n := range names {
		f.used[n] = true
	}
}

// ReadOnly refuses attributes that only the service sets.
func (f *form) ReadOnly(names ...string) {
	for _, n := range names {
		if _, given := f.raw[n]; given {
			f.fail(n, "Cannot set read only field.")
		}
		f.used[n] = true
	}
}

// Required refuses a body without the attribute.
func (f *form) Required(name string) {
	if f.value(name) == nil {
		f.err = errors.Join(f.err, about(name, badRequest("Invalid input for field/attribute %s. Value: 'None'. Mandatory field missing.", name)))
	}
}

// done gives what was wrong, unknown attributes before all others: they are mostly typos.
func (f *form) done() error {
	var unknown error
	for _, name := range slices.Sorted(mapKeys(f.raw)) {
		if !f.used[name] {
			unknown = errors.Join(unknown, about(name, badRequest("Unknown attribute for argument %s: %s", f.arg, name)))
		}
	}
	return errors.Join(unknown, f.err)
}
