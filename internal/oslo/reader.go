package oslo

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// defaultGroup is the one group whose name keeps its case.
const defaultGroup = "DEFAULT"

// key names an option. Groups are lower case except DEFAULT.
type key struct{ group, name string }

func (k key) String() string { return k.group + "." + k.name }

// assignment is one value with the place it was written at.
type assignment struct {
	value string
	where string
}

// file holds the assignments of one parsed file.
type file struct {
	values map[key][]assignment // in the order written
	keys   []key                // in the order first seen
	groups []section            // in the order written
}

// section is one section header.
type section struct{ group, where string }

// parser holds what one pass over the lines of a file needs to remember.
type parser struct {
	name  string
	line  int
	file  *file
	errs  []error
	group string // "" before the first section
	skip  bool   // the section header was malformed: its content belongs nowhere

	open  bool // an assignment that further lines may continue
	key   string
	start int
	value []string
}

// parse reads the text of one file. It goes on after a malformed line, so that
// all of them are reported; no message quotes a line, which may hold a secret.
func parse(name string, data []byte) (*file, []error) {
	p := &parser{name: name, file: &file{values: map[key][]assignment{}}}
	if !utf8.Valid(data) {
		return p.file, []error{fmt.Errorf("%s: not valid UTF-8", name)}
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
	for line := range strings.SplitSeq(text, "\n") {
		p.line++
		p.next(strings.TrimRightFunc(line, isSpace))
	}
	p.flush()
	return p.file, p.errs
}

// next takes one line without its trailing white space.
func (p *parser) next(line string) {
	if line == "" {
		p.flush()
		return
	}
	if line[0] == ' ' || line[0] == '\t' {
		if !p.open {
			p.fail("continuation of nothing: an option must not be indented, " +
				"and a blank line or comment ends a value")
			return
		}
		p.value = append(p.value, strings.TrimLeftFunc(line, isSpace))
		return
	}
	p.flush()
	switch line[0] {
	case '[':
		p.header(line)
	case '#', ';':
	default:
		p.assign(line)
	}
}

// header starts a section.
func (p *parser) header(line string) {
	p.skip = true
	switch {
	case !strings.HasSuffix(line, "]"):
		p.fail("a section header must end with ]")
	case len(line) <= 2:
		p.fail("a section header needs a name")
	default:
		p.skip = false
		p.group = normalGroup(line[1 : len(line)-1])
		p.file.groups = append(p.file.groups, section{p.group, p.where(p.line)})
	}
}

// assign starts an assignment, which ends when a line does not continue it.
func (p *parser) assign(line string) {
	at := strings.IndexAny(line, "=:")
	if at < 0 {
		p.fail("no = or : in the line")
		return
	}
	name := strings.TrimFunc(line[:at], isSpace)
	if name == "" {
		p.fail("no option name before the " + line[at:at+1])
		return
	}
	value := unquote(strings.TrimFunc(line[at+1:], isSpace))
	p.open, p.key, p.start, p.value = true, name, p.line, []string{value}
}

// flush stores the assignment that just ended, if any.
func (p *parser) flush() {
	if !p.open {
		return
	}
	p.open = false
	switch {
	case p.skip:
		return
	case p.group == "":
		p.errs = append(p.errs, errors.New(p.where(p.start)+": an option before the first [section]"))
		return
	}
	k := key{p.group, p.key}
	if _, seen := p.file.values[k]; !seen {
		p.file.keys = append(p.file.keys, k)
	}
	p.file.values[k] = append(p.file.values[k],
		assignment{strings.Join(p.value, "\n"), p.where(p.start)})
}

func (p *parser) where(line int) string { return fmt.Sprintf("%s:%d", p.name, line) }

func (p *parser) fail(reason string) {
	p.errs = append(p.errs, errors.New(p.where(p.line)+": "+reason))
}

// unquote takes one pair of equal quotes off a value. A quote on its own counts
// as a pair, as it does for oslo.config.
func unquote(value string) string {
	if value == "" || value[0] != '"' && value[0] != '\'' || value[0] != value[len(value)-1] {
		return value
	}
	return value[1:max(1, len(value)-1)]
}

func normalGroup(name string) string {
	if name == defaultGroup {
		return name
	}
	return strings.ToLower(name)
}

// isSpace is white space as Python's str.strip has it.
func isSpace(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }
