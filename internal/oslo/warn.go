package oslo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// wholeGroup is the option name that stands for all options of a group in the
// list of ignored ones.
const wholeGroup = "*"

// warner lists what the sources have and no option takes, each once.
type warner struct {
	options map[key]*option
	newer   map[key]key    // the present name of a deprecated one
	ignored map[key]string // why; the name may be wholeGroup
	groups  map[string]bool
	said    map[string]bool
	list    []string
}

func (l *loader) warnings(ignored map[string]string) []string {
	w := &warner{
		options: l.options,
		newer:   map[key]key{},
		ignored: map[key]string{},
		groups:  map[string]bool{},
		said:    map[string]bool{},
	}
	for _, d := range l.decls {
		w.groups[d.name] = true
		for _, o := range d.options {
			for _, old := range o.deprecated {
				w.newer[old] = o.key
				w.groups[old.group] = true
			}
		}
	}
	for k := range l.options {
		w.groups[k.group] = true
	}
	for text, why := range ignored {
		group, name, _ := strings.Cut(text, ".")
		k := key{normalGroup(group), name}
		w.ignored[k] = why
		if name != wholeGroup {
			w.groups[k.group] = true
		}
	}
	for _, f := range l.files {
		for _, g := range f.groups {
			w.group(g)
		}
		for _, k := range f.keys {
			w.option(k, f.values[k][0].where)
		}
	}
	w.environ(l.env)
	return w.list
}

func (w *warner) say(subject, where, what string) {
	if !w.said[subject] {
		w.said[subject] = true
		w.list = append(w.list, fmt.Sprintf("%s (%s): %s", subject, where, what))
	}
}

// group speaks once for all options of a group that nobody declared.
func (w *warner) group(g section) {
	subject := "[" + g.group + "]"
	why, ignored := w.ignored[key{g.group, wholeGroup}]
	switch {
	case w.groups[g.group]:
	case ignored:
		w.say(subject, g.where, "ignored: "+why)
	case g.group != defaultGroup && strings.EqualFold(strings.TrimSpace(g.group), defaultGroup):
		w.say(subject, g.where, "unknown group; did you mean [DEFAULT]?")
	default:
		w.say(subject, g.where, "unknown group")
	}
}

func (w *warner) option(k key, where string) {
	why, ignored := w.ignored[k]
	if !ignored {
		why, ignored = w.ignored[key{k.group, wholeGroup}]
	}
	switch {
	case w.options[k] != nil || !w.groups[k.group]:
	case w.newer[k] != key{}:
		w.say(k.String(), where, "deprecated, use "+w.newer[k].String())
	case ignored:
		w.say(k.String(), where, "ignored: "+why)
	default:
		w.say(k.String(), where, "unknown option")
	}
}

func (w *warner) environ(env map[string]string) {
	declared := map[string]bool{}
	for k := range w.options {
		declared[envName(k)] = true
	}
	ignored := map[string]string{}
	for k, why := range w.ignored {
		ignored[envName(k)] = why
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		group, _, _ := strings.Cut(name, "__")
		why, ok := ignored[name]
		if !ok {
			why, ok = ignored[group+"__"+wholeGroup]
		}
		switch {
		case declared[name]:
		case ok:
			w.say(name, "environment", "ignored: "+why)
		default:
			w.say(name, "environment", "names no option")
		}
	}
}
