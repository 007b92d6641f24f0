package oslo

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

// sampleWidth is how wide the comments of a sample file are.
const sampleWidth = 79

// WriteSample writes a configuration file that shows every option with its
// help, type, bounds and default, all commented out, groups in the order
// given. It refuses an option without help.
func WriteSample(w io.Writer, groups []Group) error {
	decls, err := declare(groups)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for i, d := range decls {
		if i > 0 {
			b.WriteString("\n\n")
		}
		fmt.Fprintf(&b, "[%s]\n", d.name)
		if d.help != nil {
			b.WriteString("\n#\n")
			for _, paragraph := range d.help {
				comment(&b, paragraph)
			}
			b.WriteString("#\n")
		}
		for _, o := range d.options {
			if o.help == "" {
				return fmt.Errorf("declare %s: no help text", o.key)
			}
			b.WriteByte('\n')
			o.writeSample(&b)
		}
	}
	_, err = w.Write(b.Bytes())
	return err
}

func (o *option) writeSample(b *bytes.Buffer) {
	comment(b, o.help+" ("+o.describe()+")")
	note := func(format string, args ...any) { comment(b, fmt.Sprintf(format, args...)) }
	if o.required {
		note("Required.")
	}
	if o.min != nil {
		note("Minimum value: %s", decimal(*o.min))
	}
	if o.max != nil {
		note("Maximum value: %s", decimal(*o.max))
	}
	if o.choices != nil {
		note("Possible values: %s", strings.Join(o.choices, ", "))
	}
	for _, old := range o.deprecated {
		note("Deprecated group/name - [%s]/%s", old.group, old.name)
	}
	b.WriteString(strings.TrimRight("#"+o.name+" = "+o.sampleValue(), " ") + "\n")
}

func (o *option) sampleValue() string {
	value := o.def
	switch {
	case o.sample != "":
		value = o.sample
	case !o.hasDefault:
		return "<None>"
	}
	if value != "" && (value != strings.TrimFunc(value, isSpace) || value != unquote(value)) {
		return `"` + value + `"`
	}
	return value
}

// describe names the type of the value for a reader of the sample.
func (o *option) describe() string {
	switch o.kind {
	case kindInt:
		return "integer value"
	case kindFloat:
		return "floating point value"
	case kindBool:
		return "boolean value"
	case kindList:
		return "list value, separated by commas"
	case kindMulti:
		return "may be given several times"
	case kindDuration:
		switch o.unit {
		case time.Millisecond:
			return "milliseconds"
		case time.Minute:
			return "minutes"
		case time.Hour:
			return "hours"
		}
		return "seconds"
	default:
		return "string value"
	}
}

// comment writes text as comment lines, broken between words. A line break in
// the text stays one.
func comment(b *bytes.Buffer, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		width := 1
		b.WriteByte('#')
		for word := range strings.FieldsSeq(line) {
			if width > 1 && width+1+len(word) > sampleWidth {
				b.WriteString("\n#")
				width = 1
			}
			b.WriteString(" " + word)
			width += 1 + len(word)
		}
		b.WriteByte('\n')
	}
}
