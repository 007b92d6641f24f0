package oslo

import (
	"errors"
	"fmt"
	"strings"
)

// Load fills the targets of all groups from the sources.
//
// The error joins every mistake found: unreadable files, malformed lines, and
// one line for each option with its group and name, its value unless it is a
// secret, the place it was set at, and the reason. The targets are then filled
// in part and must not be used.
//
// Warnings are for the caller to log: options and groups that nobody declared,
// and older names. The keys of ignored are "group.option", or "group.*" for a
// whole group; such an option is warned about with the reason given, in place
// of being called unknown.
func Load(sources Sources, groups []Group, ignored map[string]string) (warnings []string, err error) {
	l, err := newLoader(sources, groups)
	if err != nil {
		return nil, err
	}
	for _, d := range l.decls {
		for _, o := range d.options {
			if r := l.resolve(o); !r.failed && r.found {
				o.set(r.value)
			}
		}
	}
	return l.warnings(ignored), errors.Join(l.errs...)
}

// loader holds one run of Load.
type loader struct {
	decls    []*declared
	files    []*file // by growing precedence
	env      map[string]string
	options  map[key]*option
	resolved map[key]*resolution
	broken   bool // a file was not read whole: what is missing may stand there
	errs     []error
}

// newLoader reads the sources; what is wrong in them is in errs.
func newLoader(sources Sources, groups []Group) (*loader, error) {
	decls, err := declare(groups)
	if err != nil {
		return nil, err
	}
	files, errs := sources.read()
	l := &loader{
		decls:    decls,
		files:    files,
		env:      sources.environ(),
		options:  map[key]*option{},
		resolved: map[key]*resolution{},
		broken:   len(errs) > 0,
		errs:     errs,
	}
	for _, d := range decls {
		for _, o := range d.options {
			l.options[o.key] = o
		}
	}
	return l, nil
}

// resolution is the value of one option. While done is false it is being
// worked out, so that a reference back to it is a loop.
type resolution struct {
	value  any
	found  bool // in a source or as default; otherwise value is the caller's
	failed bool
	done   bool
}

// resolve works out the value of an option, once.
func (l *loader) resolve(o *option) *resolution {
	if r := l.resolved[o.key]; r != nil {
		return r
	}
	r := &resolution{}
	l.resolved[o.key] = r
	defer func() { r.done = true }()

	texts, where := l.lookup(o)
	if texts == nil {
		if o.required && !l.broken && o.field.IsZero() {
			l.fail(o, r, nil, "", errors.New("is required, but not set"))
		}
		r.value = o.current()
		return r
	}
	r.found = true
	plain := make([]string, len(texts))
	for i, t := range texts {
		var err error
		if plain[i], err = l.substitute(o, t); err != nil {
			l.fail(o, r, texts, where, err)
			return r
		}
	}
	var err error
	if r.value, err = o.convert(plain); err != nil {
		l.fail(o, r, texts, where, err)
	} else if o.required && o.text(r.value) == "" {
		l.fail(o, r, texts, where, errors.New("is required, but empty"))
	}
	return r
}

// errQuiet marks a failure that was reported already, of another option.
var errQuiet = errors.New("refers to an option that is in error")

// fail records that an option has no usable value, and why.
func (l *loader) fail(o *option, r *resolution, texts []string, where string, why error) {
	r.failed = true
	if errors.Is(why, errQuiet) {
		return
	}
	msg := o.key.String()
	if texts != nil && !o.secret {
		msg += fmt.Sprintf(" = %q", strings.Join(texts, ","))
	}
	if where != "" {
		msg += " (" + where + ")"
	}
	l.errs = append(l.errs, fmt.Errorf("%s: %w", msg, why))
}

// lookup finds the text of an option and where it was written; nil if nowhere.
func (l *loader) lookup(o *option) (texts []string, where string) {
	if text, ok := l.env[envName(o.key)]; ok {
		return []string{text}, "environment variable " + envName(o.key)
	}
	names := append([]key{o.key}, o.deprecated...)
	for i := len(l.files) - 1; i >= 0; i-- {
		for _, name := range names {
			found := l.files[i].values[name]
			if len(found) == 0 {
				continue
			}
			last := found[len(found)-1]
			if o.kind != kindMulti {
				return []string{last.value}, last.where
			}
			older := make([]string, len(found), len(found)+len(texts))
			for j, a := range found {
				older[j] = a.value
			}
			texts = append(older, texts...)
			if where == "" {
				where = last.where
			}
		}
	}
	if texts == nil && o.hasDefault {
		return []string{o.def}, "default"
	}
	return texts, where
}
