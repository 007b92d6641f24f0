package db

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
)

// Strings is a map that is stored as JSON text.
type Strings map[string]string

// Value implements driver.Valuer.
func (m Strings) Value() (driver.Value, error) { return encode(m, m == nil, "{}") }

// Scan implements sql.Scanner.
func (m *Strings) Scan(src any) error {
	*m = Strings{}
	return decode(src, m)
}

// RawJSON is JSON text that this package does not look into; "" is stored as {}.
type RawJSON []byte

// Value implements driver.Valuer.
func (r RawJSON) Value() (driver.Value, error) {
	if len(r) == 0 {
		return "{}", nil
	}
	return string(r), nil
}

// Scan implements sql.Scanner.
func (r *RawJSON) Scan(src any) error {
	b, err := text(src)
	*r = append(RawJSON(nil), b...)
	return err
}

// MarshalJSON passes the text through.
func (r RawJSON) MarshalJSON() ([]byte, error) {
	if len(r) == 0 {
		return []byte("{}"), nil
	}
	return r, nil
}

// List is a list of strings that is stored as JSON text.
type List []string

// Value implements driver.Valuer.
func (l List) Value() (driver.Value, error) { return encode(l, l == nil, "[]") }

// Scan implements sql.Scanner.
func (l *List) Scan(src any) error {
	*l = List{}
	return decode(src, l)
}

// Taints are stored as JSON text.
type Taints []Taint

// Value implements driver.Valuer.
func (t Taints) Value() (driver.Value, error) { return encode(t, t == nil, "[]") }

// Scan implements sql.Scanner.
func (t *Taints) Scan(src any) error {
	*t = Taints{}
	return decode(src, t)
}

// Words makes of a text what can be stored for people to read: in valid UTF-8, without NUL, which no database takes, and of
// a length that nobody minds. Whoever records what others say asks for it: a row that is refused would be tried for ever.
func Words(text string) string {
	const most = 4 << 10
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

func encode(v any, empty bool, otherwise string) (driver.Value, error) {
	if empty {
		return otherwise, nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}

func decode(src, into any) error {
	b, err := text(src)
	if err != nil || len(b) == 0 {
		return err
	}
	return json.Unmarshal(b, into)
}

func text(src any) ([]byte, error) {
	switch v := src.(type) {
	case nil:
		return nil, nil
	case []byte:
		return v, nil
	case string:
		return []byte(v), nil
	}
	return nil, fmt.Errorf("column holds %T, not text", src)
}
