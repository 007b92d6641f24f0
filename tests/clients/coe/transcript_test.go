package coe

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A transcript is what somebody sees at a terminal:
//
//	# Remarks, and the story goes on.
//	$ openstack coe cluster show no-such-cluster
//	stderr: Cluster no-such-cluster could not be found …
//	[exit 1]
//	(dev becomes CREATE_COMPLETE)
//
// Commands, directions in parentheses, remarks and empty lines between them are written by people; all the rest is what came
// out. The prompt tells who types: nothing before the $ is the first tenant. A command goes on behind a \ at a line's end.

// step of a transcript: a command, a direction, or lines that only stand there.
type step struct {
	text    string // as it stands in the file
	who     string // types the command
	command string
	does    string // the direction
	output  string
}

// parse takes a transcript apart.
func parse(text string) []step {
	var steps []step
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		who, command, ok := prompt(line)
		last := len(steps) - 1
		switch {
		case ok:
			for strings.HasSuffix(command, "\\") && i+1 < len(lines) {
				i++
				line += "\n" + lines[i]
				command = strings.TrimSuffix(command, "\\") + strings.TrimSpace(lines[i])
			}
			steps = append(steps, step{text: line, who: who, command: command})
		case direction(line):
			steps = append(steps, step{text: line, does: strings.Trim(line, "()")})
		case strings.HasPrefix(line, "# "):
			steps = append(steps, step{text: line})
		case last >= 0 && (steps[last].command != "" || steps[last].does != ""):
			steps[last].output += line + "\n"
		}
	}
	return steps
}

// prompt reads «who$ command».
func prompt(line string) (who, command string, ok bool) {
	who, command, ok = strings.Cut(line, "$ ")
	return who, command, ok && (who == "" || who == "two" || who == "admin")
}

func direction(line string) bool { return strings.HasPrefix(line, "(") && strings.HasSuffix(line, ")") }

// format is the opposite of parse. What was printed must not look like what people write.
func format(steps []step) (string, error) {
	var b strings.Builder
	for i, s := range steps {
		remark := s.command == "" && s.does == ""
		if i > 0 && (remark || steps[i-1].command != "" || steps[i-1].does != "") {
			b.WriteString("\n")
		}
		for line := range strings.Lines(s.output) {
			if _, _, ok := prompt(line); ok || direction(strings.TrimSpace(line)) || strings.HasPrefix(line, "# ") {
				return "", fmt.Errorf("%s: the line %q of its output would be taken for input", s.text, line)
			}
		}
		b.WriteString(s.text + "\n" + s.output)
	}
	return b.String(), nil
}

// outcome is how a command's end is written down.
func outcome(code int, stdout, stderr string) string {
	var b strings.Builder
	for line := range strings.Lines(stdout) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	for line := range strings.Lines(stderr) {
		b.WriteString("stderr: " + strings.TrimRight(line, " \n") + "\n")
	}
	if code != 0 {
		fmt.Fprintf(&b, "[exit %d]\n", code)
	}
	return b.String()
}

func TestForm(t *testing.T) {
	const text = `# A story.
$ openstack coe cluster list \
    --limit 1
+--+
stderr: oops
[exit 1]

admin$ openstack coe service list


(dev is gone)
somewhere

# The end.
`
	steps := parse(text)
	want := []step{
		{text: "# A story."},
		{text: "$ openstack coe cluster list \\\n    --limit 1", command: "openstack coe cluster list --limit 1", output: "+--+\nstderr: oops\n[exit 1]\n\n"},
		{text: "admin$ openstack coe service list", who: "admin", command: "openstack coe service list", output: "\n\n"},
		{text: "(dev is gone)", does: "dev is gone", output: "somewhere\n\n"},
		{text: "# The end."},
	}
	if diff := cmp.Diff(want, steps, cmp.AllowUnexported(step{})); diff != "" {
		t.Errorf("parsed:\n%s", diff)
	}
	steps[1].output, steps[2].output, steps[3].output = outcome(1, "+--+  \n", "oops\n"), outcome(0, "\n", ""), "somewhere\n"
	got, err := format(steps)
	if diff := cmp.Diff(text, got); diff != "" || err != nil {
		t.Errorf("written again: %v\n%s", err, diff)
	}
	steps[3].output = "two$ rm\n"
	if _, err := format(steps); err == nil {
		t.Error("what was printed would be typed the next time")
	}
}
