package oslo

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// reference matches $$, $name and ${name}, where a name may have dots. Any
// other $ stands for itself.
var reference = regexp.MustCompile(`\$(?:\$|[_A-Za-z][._A-Za-z0-9]*|\{[_A-Za-z][._A-Za-z0-9]*\})`)

// substitute replaces the references in a value of the option o.
func (l *loader) substitute(o *option, text string) (string, error) {
	var errs []error
	quiet := false
	text = strings.ReplaceAll(text, `\$`, `$$`)
	text = reference.ReplaceAllStringFunc(text, func(match string) string {
		if match == "$$" {
			return "$"
		}
		value, err := l.refer(o, strings.Trim(match[1:], "{}"))
		if errors.Is(err, errQuiet) {
			quiet = true
		} else if err != nil {
			errs = append(errs, err)
		}
		return value
	})
	if quiet && errs == nil {
		return "", errQuiet
	}
	return text, errors.Join(errs...)
}

// refer gives the value of the option that a reference in a value of o names:
// "group.name", or a name in o's own group or else in DEFAULT.
func (l *loader) refer(o *option, name string) (string, error) {
	target := l.find(o, name)
	if target == nil {
		if o.secret {
			// The name is a part of the secret when the $ was meant literally.
			return "", errors.New("has a $ that does not name an option; write $$ for a plain $")
		}
		return "", fmt.Errorf("refers to $%s, which is no option; write $$ for a plain $, "+
			"and ${name} where text follows the name", name)
	}
	r := l.resolve(target)
	switch {
	case r.failed:
		return "", errQuiet
	case !r.done:
		return "", fmt.Errorf("refers to $%s, which refers back to it", name)
	}
	return target.text(r.value), nil
}

// find looks for what is declared first. Failing that, what only the files have
// is taken as a string.
func (l *loader) find(o *option, name string) *option {
	keys := []key{{o.group, name}, {defaultGroup, name}}
	if group, rest, ok := strings.Cut(name, "."); ok {
		keys = []key{{group, rest}}
	}
	for _, k := range keys {
		if target := l.options[k]; target != nil {
			return target
		}
	}
	for _, k := range keys {
		for _, f := range l.files {
			if len(f.values[k]) > 0 {
				// Nobody said whether it is a secret, so it counts as one.
				l.options[k] = &option{key: k, secret: true}
				return l.options[k]
			}
		}
	}
	return nil
}
