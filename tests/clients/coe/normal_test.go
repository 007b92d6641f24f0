package coe

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// constant puts the same in place of what is another thing in each run, and where it counts, what it was behind a number: what
// has one number in all transcripts is one thing.
type constant struct {
	literals [][2]string // what it is, what is written instead
	seen     map[string]string
	counts   map[string]int
}

// rules by kind; what has a verb gets a number. They are as long as what they stand for, where that has a length.
var rules = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(?s)-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----`), "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----"},
	{regexp.MustCompile(`(certificate-authority|client-certificate|client-key)-data: \S+`), "$1-data: …"},
	{regexp.MustCompile(`\breq-[0-9a-f-]{36}\b`), "req-…"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "00000000-0000-0000-0000-%012d"},
	{regexp.MustCompile(`\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00`), "2026-01-01T00:00:00+00:00"},
	{regexp.MustCompile(`\b127\.[1-9]\d*\.\d+\.\d+\b`), "198.51.100.%d"},
	{regexp.MustCompile(`\b10\.0\.0\.\d+\b`), "10.0.0.%d"},
	{regexp.MustCompile(`\b(dev|edge)-[a-z0-9]{5}\b`), "$1-xxxxx"},
	{regexp.MustCompile(`-(default-master|default-worker|pool)-[a-z0-9]{5}\b`), "-$1-xxxxx"},
}

// nobody is what people type as the UUID of what there is not.
const nobody = "ffffffff-ffff-4fff-bfff-ffffffffffff"

func newConstant() *constant {
	return &constant{seen: map[string]string{nobody: nobody}, counts: map[string]int{}}
}

// literal has one known thing written as another one.
func (c *constant) literal(is, instead string) {
	c.literals = append(c.literals, [2]string{is, instead})
}

// fold makes what was printed the same in all runs.
func (c *constant) fold(text string) string {
	for _, l := range c.literals {
		text = strings.ReplaceAll(text, l[0], l[1])
	}
	for _, r := range rules {
		if !strings.Contains(r.instead, "%") {
			text = r.pattern.ReplaceAllString(text, r.instead)
			continue
		}
		text = r.pattern.ReplaceAllStringFunc(text, func(is string) string {
			if c.seen[is] == "" {
				c.counts[r.instead]++
				c.seen[is] = fmt.Sprintf(r.instead, c.counts[r.instead])
			}
			return c.seen[is]
		})
	}
	return align(text)
}

// unfold puts into a command what is meant by what stands for it.
func (c *constant) unfold(command string) string {
	for _, l := range c.literals {
		command = strings.ReplaceAll(command, l[1], l[0])
	}
	for is, instead := range c.seen {
		command = strings.ReplaceAll(command, instead, is)
	}
	return command
}

// align draws tables again, which have cells of another width now. To the right goes what stood there.
func align(text string) string {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		j := i
		for j < len(lines) && tabular(lines[j]) {
			j++
		}
		redraw(lines[i:j])
		i = max(i+1, j)
	}
	return strings.Join(lines, "\n")
}

func tabular(line string) bool {
	return len(line) > 1 && (line[0] == '|' && strings.HasSuffix(line, "|") || line[0] == '+' && strings.Trim(line, "+-") == "")
}

// cells with the spaces around them.
func cells(line string) []string { return strings.Split(strings.Trim(line, "|"), "|") }

func redraw(lines []string) {
	var widths []int
	for _, line := range lines {
		if line[0] != '|' {
			continue
		}
		for i, cell := range cells(line) {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(strings.TrimSpace(cell))))
		}
	}
	for n, line := range lines {
		var b strings.Builder
		if line[0] == '+' {
			for _, w := range widths {
				b.WriteString("+" + strings.Repeat("-", w+2))
			}
			lines[n] = b.String() + "+"
			continue
		}
		for i, cell := range cells(line) {
			text := strings.TrimSpace(cell)
			padding := strings.Repeat(" ", widths[i]-len([]rune(text)))
			if strings.HasPrefix(cell, "  ") && !strings.HasSuffix(cell, "  ") {
				text, padding = padding, text
			}
			b.WriteString("| " + text + padding + " ")
		}
		lines[n] = b.String() + "|"
	}
}

func TestConstant(t *testing.T) {
	const a, b = "3f0e1c5a-92b7-4a56-8f6e-0d1a2b3c4d5e", "7a0e1c5a-92b7-4a56-8f6e-0d1a2b3c4d5e"
	c := newConstant()
	c.literal("f00d", "1111")
	tests := []struct{ name, is, want string }{
		{name: "nothing", is: "Cluster dev | x", want: "Cluster dev | x"},
		{name: "the first", is: a + " " + b + " " + a, want: "00000000-0000-0000-0000-000000000001 00000000-0000-0000-0000-000000000002 00000000-0000-0000-0000-000000000001"},
		{name: "again", is: b, want: "00000000-0000-0000-0000-000000000002"},
		{name: "request", is: "(req-" + a + ")", want: "(req-…)"},
		{name: "literal", is: "of f00d.", want: "of 1111."},
		{name: "time", is: "at 2027-11-24T02:14:15+00:00", want: "at 2026-01-01T00:00:00+00:00"},
		{name: "certificate", is: "-----BEGIN CERTIFICATE-----\nMIIB\nAA==\n-----END CERTIFICATE-----", want: "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----"},
		{
			name: "table",
			is:   "+--------------+-----+\n| address      |   n |\n+--------------+-----+\n| 127.64.99.22 |   1 |\n| 127.65.200.1 |  10 |\n+--------------+-----+",
			want: "+--------------+----+\n| address      |  n |\n+--------------+----+\n| 198.51.100.1 |  1 |\n| 198.51.100.2 | 10 |\n+--------------+----+",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, c.fold(test.is)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := c.unfold("show 00000000-0000-0000-0000-000000000002 1111"); got != "show "+b+" f00d" {
		t.Errorf("unfolded: %s", got)
	}
}
