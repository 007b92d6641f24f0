package oslo

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Group ties a section of the files to the struct that its options fill.
// Several groups may have one name: packages share DEFAULT.
type Group struct {
	Name   string
	Target any // pointer to a struct, see the package comment
	Help   string
}

// kind is what the text of a value is converted to.
type kind int

const (
	kindString kind = iota
	kindInt
	kindFloat
	kindBool
	kindDuration
	kindList
	kindMulti
)

// option is one declared option.
type option struct {
	key
	kind     kind
	field    reflect.Value // what to fill; invalid for an option that only the files know
	optional bool          // the field is a pointer

	help, sample     string
	def              string
	hasDefault       bool
	secret, required bool
	quotes           bool
	choices          []string
	min, max         *float64
	unit             time.Duration
	deprecated       []key
}

// declared is a group with its options, in the order of the struct.
type declared struct {
	name    string
	help    []string
	options []*option
}

var (
	nameForm     = regexp.MustCompile(`^[a-z0-9_]+$`)
	durationType = reflect.TypeFor[time.Duration]()
	stringsType  = reflect.TypeFor[[]string]()
)

// declare reads the structs of all groups. What it refuses are mistakes of the
// program, not of an operator.
func declare(groups []Group) ([]*declared, error) {
	var all []*declared
	byName := map[string]*declared{}
	seen := map[key]bool{}
	var errs []error
	for _, g := range groups {
		name := normalGroup(g.Name)
		d := byName[name]
		if d == nil {
			d = &declared{name: name}
			byName[name] = d
			all = append(all, d)
		}
		if g.Help != "" {
			d.help = append(d.help, g.Help)
		}
		target := reflect.ValueOf(g.Target)
		if target.Kind() != reflect.Pointer || target.Elem().Kind() != reflect.Struct {
			errs = append(errs, fmt.Errorf("declare group %s: target is %T, not a pointer to a struct", name, g.Target))
			continue
		}
		options, err := declareStruct(name, target.Elem())
		errs = append(errs, err)
		for _, o := range options {
			if seen[o.key] {
				errs = append(errs, fmt.Errorf("declare %s: declared twice", o.key))
			}
			seen[o.key] = true
		}
		d.options = append(d.options, options...)
	}
	return all, errors.Join(errs...)
}

func declareStruct(group string, target reflect.Value) (options []*option, err error) {
	var errs []error
	for i := range target.NumField() {
		field := target.Type().Field(i)
		if field.Anonymous && field.Type.Kind() == reflect.Struct {
			inner, err := declareStruct(group, target.Field(i))
			options, errs = append(options, inner...), append(errs, err)
			continue
		}
		name, ok := field.Tag.Lookup("opt")
		if !ok {
			continue
		}
		o, err := declareOption(key{group, name}, field, target.Field(i))
		if err != nil {
			errs = append(errs, fmt.Errorf("declare %s.%s (field %s): %w", group, name, field.Name, err))
			continue
		}
		options = append(options, o)
	}
	return options, errors.Join(errs...)
}

func declareOption(k key, field reflect.StructField, value reflect.Value) (*option, error) {
	tag := field.Tag
	o := &option{key: k, field: value, help: tag.Get("help"), sample: tag.Get("sample"), unit: time.Second}
	o.def, o.hasDefault = tag.Lookup("default")
	var errs []error
	if !nameForm.MatchString(k.name) {
		errs = append(errs, errors.New("the name is not of lower-case letters, digits and _"))
	}
	if !value.CanSet() {
		errs = append(errs, errors.New("the field is not exported"))
	}
	multi := o.flag(tag, "multi", &errs)
	o.secret = o.flag(tag, "secret", &errs)
	o.required = o.flag(tag, "required", &errs)
	o.quotes = o.flag(tag, "quotes", &errs)
	if err := o.setKind(field.Type, multi); err != nil {
		return nil, err
	}
	o.min, o.max = bound(tag, "min", &errs), bound(tag, "max", &errs)
	if c := tag.Get("choices"); c != "" {
		o.choices = strings.Split(c, ",")
	}
	if u, ok := tag.Lookup("unit"); ok {
		units := map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour}
		if o.unit, ok = units[u]; !ok || o.kind != kindDuration {
			errs = append(errs, fmt.Errorf("unit %q does not apply", u))
		}
	}
	o.deprecated = olderNames(k.group, tag.Get("deprecated"))
	if strings.Contains(o.def, "\n") {
		errs = append(errs, errors.New("the default has more than one line"))
	}
	if o.hasDefault && !strings.Contains(o.def, "$") && len(errs) == 0 {
		if _, err := o.convert([]string{o.def}); err != nil {
			errs = append(errs, fmt.Errorf("default: %w", err))
		}
	}
	return o, errors.Join(errs...)
}

func (o *option) flag(tag reflect.StructTag, name string, errs *[]error) bool {
	text, ok := tag.Lookup(name)
	if ok && text != "true" {
		*errs = append(*errs, fmt.Errorf("tag %s is %q, not \"true\"", name, text))
	}
	return ok
}

// setKind finds how the type of the field is filled.
func (o *option) setKind(t reflect.Type, multi bool) error {
	if t == stringsType {
		o.kind = kindList
		if multi {
			o.kind = kindMulti
		}
		return nil
	}
	if t.Kind() == reflect.Pointer {
		o.optional = true
		t = t.Elem()
	}
	switch {
	case multi:
		return fmt.Errorf("a %s cannot be multi", t)
	case t == durationType:
		o.kind = kindDuration
	case t == reflect.TypeFor[int]() || t == reflect.TypeFor[int64]():
		o.kind = kindInt
	case t == reflect.TypeFor[float64]():
		o.kind = kindFloat
	case t == reflect.TypeFor[bool]():
		o.kind = kindBool
	case t == reflect.TypeFor[string]():
		o.kind = kindString
	default:
		return fmt.Errorf("type %s is not supported", t)
	}
	return nil
}

func bound(tag reflect.StructTag, name string, errs *[]error) *float64 {
	text, ok := tag.Lookup(name)
	if !ok {
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		*errs = append(*errs, fmt.Errorf("tag %s: %w", name, err))
	}
	return &f
}

// olderNames reads "group.name,name".
func olderNames(group, text string) (keys []key) {
	for item := range strings.SplitSeq(text, ",") {
		if item == "" {
			continue
		}
		if g, name, ok := strings.Cut(item, "."); ok {
			keys = append(keys, key{normalGroup(g), name})
		} else {
			keys = append(keys, key{group, item})
		}
	}
	return keys
}
