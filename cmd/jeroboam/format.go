package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// listing is what a command shows: rows under columns, or, when it is one thing, fields and values.
type listing struct {
	columns []string
	rows    [][]any
	one     bool
}

// output is how a listing is written: as the OpenStack client writes its own.
type output struct {
	format  string
	columns []string
}

// formats of outputs.
func formats() []string { return []string{"table", "json", "yaml", "value"} }

func (o output) check() error {
	if !slices.Contains(formats(), o.format) {
		return fmt.Errorf("-f %q: the formats are %s", o.format, strings.Join(formats(), ", "))
	}
	return nil
}

// pick narrows a listing to the columns that were asked for.
func (o output) pick(l listing) (listing, error) {
	if len(o.columns) == 0 {
		return l, nil
	}
	out := listing{one: l.one}
	var from []int
	for _, name := range o.columns {
		i := slices.IndexFunc(l.columns, func(c string) bool { return strings.EqualFold(c, name) })
		if i < 0 {
			return l, fmt.Errorf("-c %q: the columns are %s", name, strings.Join(l.columns, ", "))
		}
		from, out.columns = append(from, i), append(out.columns, l.columns[i])
	}
	for _, row := range l.rows {
		var cells []any
		for _, i := range from {
			cells = append(cells, row[i])
		}
		out.rows = append(out.rows, cells)
	}
	return out, nil
}

func (o output) write(w io.Writer, l listing) error {
	l, err := o.pick(l)
	if err != nil {
		return err
	}
	switch o.format {
	case "json", "yaml":
		return o.document(w, l)
	case "value":
		for _, row := range l.rows {
			separator := " "
			if l.one {
				separator = "\n"
			}
			fmt.Fprintln(w, strings.Join(texts(row, ""), separator))
		}
		return nil
	}
	if l.one {
		fields := listing{columns: []string{"Field", "Value"}}
		for i, name := range l.columns {
			fields.rows = append(fields.rows, []any{name, l.rows[0][i]})
		}
		l = fields
	}
	return box(w, l)
}

// document writes objects; in JSON with their columns in order, which maps would lose.
func (o output) document(w io.Writer, l listing) error {
	var b strings.Builder
	for i, row := range l.rows {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("{")
		for j, cell := range row {
			name, _ := json.Marshal(l.columns[j])
			value, err := json.Marshal(cell)
			if err != nil {
				return fmt.Errorf("writing %s: %w", l.columns[j], err)
			}
			if j > 0 {
				b.WriteString(",")
			}
			b.WriteString(string(name) + ":" + string(value))
		}
		b.WriteString("}")
	}
	text := b.String()
	if !l.one {
		text = "[" + text + "]"
	}
	if o.format == "yaml" {
		raw, err := yaml.JSONToYAML([]byte(text))
		if err != nil {
			return fmt.Errorf("writing YAML: %w", err)
		}
		_, err = w.Write(raw)
		return err
	}
	var indented strings.Builder
	e := json.NewEncoder(&indented)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(json.RawMessage(text)); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	_, err := io.WriteString(w, indented.String())
	return err
}

// texts are the cells of a row for a person; nothing is written as none.
func texts(row []any, none string) []string {
	out := make([]string, 0, len(row))
	for _, cell := range row {
		text := none
		switch v := cell.(type) {
		case nil:
		case string:
			text = v
		case *string:
			if v != nil {
				text = *v
			}
		case bool:
			text = map[bool]string{true: "True", false: "False"}[v]
		case []string:
			text = strings.Join(v, ", ")
		case int, int64:
			text = fmt.Sprint(v)
		default:
			raw, _ := json.Marshal(v)
			text = string(raw)
		}
		out = append(out, text)
	}
	return out
}

// box draws a table with lines around it.
func box(w io.Writer, l listing) error {
	rows := [][]string{l.columns}
	for _, row := range l.rows {
		rows = append(rows, texts(row, "-"))
	}
	widths := make([]int, len(l.columns))
	for _, row := range rows {
		for i, cell := range row {
			for line := range strings.SplitSeq(cell, "\n") {
				widths[i] = max(widths[i], utf8.RuneCountInString(line))
			}
		}
	}
	var b strings.Builder
	rule := "+"
	for _, n := range widths {
		rule += strings.Repeat("-", n+2) + "+"
	}
	b.WriteString(rule + "\n")
	for i, row := range rows {
		for _, line := range folded(row) {
			for j, cell := range line {
				b.WriteString("| " + cell + strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)) + " ")
			}
			b.WriteString("|\n")
		}
		if i == 0 {
			b.WriteString(rule + "\n")
		}
	}
	b.WriteString(rule + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// folded are the lines of a row whose cells have several.
func folded(row []string) [][]string {
	var lines [][]string
	for j, cell := range row {
		for i, text := range strings.Split(cell, "\n") {
			if i == len(lines) {
				lines = append(lines, make([]string, len(row)))
			}
			lines[i][j] = text
		}
	}
	return lines
}
