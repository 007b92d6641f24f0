package patch

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxDepth  = 50  // of brackets
	maxDigits = 100 // of a number
)

// ParseLiteral reads a Python literal or JSON: text, numbers, True, False, None, true, false, null, lists, tuples, and maps whose
// keys are text. What is both means what it means to Python, except that "\/" between double quotes is a slash.
//
// The value is made of map[string]any, []any, string, bool, json.Number (as Python's repr writes it) and nil. Every error is an
// *Error.
func ParseLiteral(text string) (any, error) {
	l := &literal{rest: text}
	v, err := l.whole()
	if err != nil {
		return nil, invalid("value", text, fmt.Sprintf("It is neither a Python literal nor JSON: %v, at character %d.", err, 1+utf8.RuneCountInString(text[:len(text)-len(l.rest)])))
	}
	return v, nil
}

// literal is what is left to read.
type literal struct {
	rest  string
	depth int
}

func (l *literal) whole() (any, error) {
	v, err := l.value()
	if err == nil && l.peek() != 0 {
		err = errors.New("something follows the end")
	}
	return v, err
}

// peek skips blanks and gives the next byte; 0 at the end.
func (l *literal) peek() byte {
	l.rest = strings.TrimLeft(l.rest, " \t\r\n\f")
	if l.rest == "" {
		return 0
	}
	return l.rest[0]
}

// take skips the byte when it is the next one after blanks.
func (l *literal) take(b byte) bool {
	if l.peek() != b {
		return false
	}
	l.rest = l.rest[1:]
	return true
}

func (l *literal) value() (any, error) {
	if l.depth++; l.depth > maxDepth {
		return nil, fmt.Errorf("it nests deeper than %d", maxDepth)
	}
	defer func() { l.depth-- }()
	c := l.peek()
	switch {
	case l.rest == "":
		return nil, errors.New("it ends too early")
	case c == '{':
		return l.dict()
	case c == '[':
		list, _, err := l.list('[', ']')
		return list, err
	case c == '(':
		list, comma, err := l.list('(', ')')
		if err == nil && len(list) == 1 && !comma {
			return list[0], nil // only parentheses
		}
		return list, err
	case c == '\'' || c == '"':
		return l.strings()
	case strings.IndexByte("+-.0123456789", c) >= 0:
		return l.number()
	}
	return l.word()
}

func (l *literal) word() (any, error) {
	end := strings.IndexFunc(l.rest, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
	if end < 0 {
		end = len(l.rest)
	}
	word := l.rest[:end]
	values := map[string]any{"True": true, "true": true, "False": false, "false": false, "None": nil, "null": nil}
	v, ok := values[word]
	switch {
	case ok:
		l.rest = l.rest[end:]
		return v, nil
	case word == "u" && end < len(l.rest) && (l.rest[end] == '\'' || l.rest[end] == '"'): // from Python 2
		l.rest = l.rest[end:]
		return l.strings()
	}
	return nil, errors.New("a value is expected")
}

// list reads a list or tuple. The comma tells whether there was one after the last value.
func (l *literal) list(open, end byte) (list []any, comma bool, err error) {
	l.take(open)
	list = []any{}
	for !l.take(end) {
		if len(list) > 0 && !comma {
			return nil, false, fmt.Errorf("a comma or %c is expected", end)
		}
		v, err := l.value()
		if err != nil {
			return nil, false, err
		}
		list = append(list, v)
		comma = l.take(',')
	}
	return list, comma, nil
}

func (l *literal) dict() (any, error) {
	l.take('{')
	m := map[string]any{}
	for first, comma := true, false; !l.take('}'); first = false {
		if !first && !comma {
			return nil, errors.New("a comma or } is expected")
		}
		key, err := l.value()
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, errors.New("the keys of a map have to be text")
		}
		if !l.take(':') {
			return nil, errors.New("a colon is expected")
		}
		if m[name], err = l.value(); err != nil {
			return nil, err
		}
		comma = l.take(',')
	}
	return m, nil
}

// strings reads one string or several side by side, which Python joins.
func (l *literal) strings() (any, error) {
	var b strings.Builder
	for c := l.peek(); c == '\'' || c == '"'; c = l.peek() {
		if strings.HasPrefix(l.rest, `"""`) || strings.HasPrefix(l.rest, `'''`) {
			return nil, errors.New("triple quotes are not supported")
		}
		l.rest = l.rest[1:]
		if err := l.string(&b, c); err != nil {
			return nil, err
		}
	}
	return b.String(), nil
}

func (l *literal) string(b *strings.Builder, quote byte) error {
	for {
		end := strings.IndexAny(l.rest, "\\\n\r\x00"+string(quote))
		if end < 0 {
			return errors.New("a quote is not closed")
		}
		b.WriteString(l.rest[:end])
		c := l.rest[end]
		l.rest = l.rest[end+1:]
		switch c {
		case quote:
			return nil
		case '\\':
			if err := l.escape(b, quote); err != nil {
				return err
			}
		default:
			return errors.New("a line break or NUL stands between quotes")
		}
	}
}

// escape reads what follows a backslash.
func (l *literal) escape(b *strings.Builder, quote byte) error {
	if l.rest == "" {
		return errors.New("a quote is not closed")
	}
	c := l.rest[0]
	if i := strings.IndexByte(`abfnrtv\'"`, c); i >= 0 {
		b.WriteByte("\a\b\f\n\r\t\v\\'\""[i])
		l.rest = l.rest[1:]
		return nil
	}
	switch digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]; {
	case digits > 0:
		return l.codePoint(b, digits)
	case c >= '0' && c <= '7':
		n := 1
		for n < min(3, len(l.rest)) && l.rest[n] >= '0' && l.rest[n] <= '7' {
			n++
		}
		v, err := strconv.ParseUint(l.rest[:n], 8, 16)
		if err != nil {
			return err
		}
		b.WriteRune(rune(v))
		l.rest = l.rest[n:]
	case c == '\n':
		l.rest = l.rest[1:]
	case c == '/' && quote == '"':
		b.WriteByte('/')
		l.rest = l.rest[1:]
	case c == 'N' || c == '\r' || c == 0:
		return errors.New("the escape is not supported")
	default: // Python leaves what it does not know as it is
		b.WriteByte('\\')
	}
	return nil
}

// codePoint reads \xhh, \uhhhh and \Uhhhhhhhh, and JSON's pairs of \u.
func (l *literal) codePoint(b *strings.Builder, digits int) error {
	r, err := l.hex(digits)
	if err != nil {
		return err
	}
	if r >= 0xd800 && r < 0xdc00 && strings.HasPrefix(l.rest, `\u`) {
		l.rest = l.rest[1:]
		low, err := l.hex(4)
		if err != nil {
			return err
		}
		if low < 0xdc00 || low > 0xdfff {
			return errors.New("half a surrogate pair is no character")
		}
		r = (r-0xd800)<<10 + (low - 0xdc00) + 0x10000
	}
	if r > math.MaxInt32 || !utf8.ValidRune(rune(r)) {
		return errors.New("the escape is no character")
	}
	b.WriteRune(rune(r))
	return nil
}

func (l *literal) hex(digits int) (uint64, error) {
	if len(l.rest) <= digits {
		return 0, errors.New("an escape is too short")
	}
	v, err := strconv.ParseUint(l.rest[1:1+digits], 16, 64)
	if err != nil {
		return 0, errors.New("an escape is not hexadecimal")
	}
	l.rest = l.rest[1+digits:]
	return v, nil
}
