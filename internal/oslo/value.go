package oslo

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// convert turns the text of a value into string, int64, float64, bool,
// time.Duration, []string, or nil for an optional one that is empty. Only an
// option of kindMulti takes more than one text. Its errors do not quote the
// value, which may be a secret.
func (o *option) convert(texts []string) (any, error) {
	if o.kind == kindMulti {
		for _, t := range texts {
			if err := o.checkChoice(t); err != nil {
				return nil, err
			}
		}
		return slices.Clone(texts), nil
	}
	text := texts[0]
	switch o.kind {
	case kindInt, kindFloat, kindDuration:
		return o.convertNumber(strings.TrimFunc(text, isSpace))
	case kindBool:
		return parseBool(text)
	case kindList:
		items, err := splitList(text, o.quotes)
		for _, item := range items {
			if err == nil {
				err = o.checkChoice(item)
			}
		}
		return items, err
	default:
		return text, o.checkChoice(text)
	}
}

func (o *option) checkChoice(text string) error {
	if o.choices == nil || slices.Contains(o.choices, text) {
		return nil
	}
	return fmt.Errorf("must be one of: %s", strings.Join(o.choices, ", "))
}

func (o *option) convertNumber(text string) (any, error) {
	if text == "" {
		if o.optional {
			return nil, nil
		}
		return nil, errors.New("must be a number, but is empty")
	}
	if o.choices != nil {
		if err := o.checkChoice(text); err != nil {
			return nil, err
		}
	}
	if o.kind == kindInt {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, errors.New("must be an integer")
		}
		return n, o.checkBounds(float64(n))
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, errors.New("must be a number")
	}
	if err := o.checkBounds(f); err != nil || o.kind == kindFloat {
		return f, err
	}
	if math.Abs(f)*float64(o.unit) > math.MaxInt64/2 {
		return nil, errors.New("is too long a time")
	}
	return time.Duration(math.Round(f * float64(o.unit))), nil
}

func (o *option) checkBounds(f float64) error {
	if o.min != nil && f < *o.min {
		return fmt.Errorf("must be at least %s", decimal(*o.min))
	}
	if o.max != nil && f > *o.max {
		return fmt.Errorf("must be at most %s", decimal(*o.max))
	}
	return nil
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func parseBool(text string) (any, error) {
	switch strings.ToLower(text) {
	case "true", "1", "on", "yes":
		return true, nil
	case "false", "0", "off", "no":
		return false, nil
	}
	return nil, errors.New("must be true, 1, on or yes, or false, 0, off or no")
}

// splitList splits a comma-separated list. With quotes, an item that starts
// with a quote reaches to the first comma, or the end, before which the same
// quote stands.
func splitList(text string, quotes bool) ([]string, error) {
	text = strings.TrimRight(strings.TrimFunc(text, isSpace), ",")
	items := []string{}
	if text == "" {
		return items, nil
	}
	parts := strings.Split(text, ",")
	for len(parts) > 0 {
		item := strings.TrimFunc(parts[0], isSpace)
		n := 1
		if quotes && item != "" && (item[0] == '"' || item[0] == '\'') {
			for len(item) < 2 || item[len(item)-1] != item[0] {
				if n == len(parts) {
					return nil, errors.New("has a quote that is not closed")
				}
				n++
				item = strings.TrimFunc(strings.Join(parts[:n], ","), isSpace)
			}
			item = item[1 : len(item)-1]
		}
		items = append(items, item)
		parts = parts[n:]
	}
	return items, nil
}

// text is how a value reads when another one refers to it. True and False are
// oslo.config's words.
func (o *option) text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		return floatText(v)
	case time.Duration:
		return decimal(float64(v) / float64(o.unit))
	case []string:
		return strings.Join(v, ",")
	default:
		return fmt.Sprint(v)
	}
}

// floatText writes a float as Python does.
func floatText(f float64) string {
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := decimal(f)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// set fills the field. A nil value clears an optional field.
func (o *option) set(value any) {
	if value == nil {
		o.field.SetZero()
		return
	}
	field := o.field
	if o.optional {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	field.Set(reflect.ValueOf(value).Convert(field.Type()))
}

// current is the value that the caller put into the field.
func (o *option) current() any {
	field := o.field
	if !field.IsValid() {
		return nil
	}
	if o.optional {
		if field.IsNil() {
			return nil
		}
		field = field.Elem()
	}
	if field.Kind() == reflect.Int {
		return field.Int()
	}
	return field.Interface()
}
