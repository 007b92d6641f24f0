package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// progress is what is shown of an operation.
type progress struct {
	elapsed time.Duration
	steps   map[string]*flow.Step
	events  []*db.Event // since the last look
	now     time.Time
	begun   time.Time
	ended   bool
}

// screen shows progress.
type screen interface{ show(p progress) }

// newScreen is a table that is drawn over itself in a terminal, and lines elsewhere.
func newScreen(w io.Writer) screen {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return lines{w}
	}
	return &table{w: w, size: func() (int, int) {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil || width == 0 || height == 0 {
			return 80, 24
		}
		return width, height
	}}
}

// lines is one line for everything that happens.
type lines struct{ w io.Writer }

func (l lines) show(p progress) {
	for _, e := range p.events {
		if e.Message == "started" { // its next line says more
			continue
		}
		fmt.Fprintf(l.w, "%6.1fs  %s: %s\n", max(e.Time.Sub(p.begun), 0).Seconds(), e.Step, e.Message)
	}
	if p.ended {
		fmt.Fprintf(l.w, "%6.1fs  ended\n", p.elapsed.Seconds())
	}
}

// table shows every step with its time and what it waits for.
type table struct {
	w     io.Writer
	size  func() (width, height int)
	drawn int // lines on the screen
}

func (t *table) show(p progress) {
	width, height := t.size()
	rows := t.rows(p, max(height-3, 3))
	var b strings.Builder
	if t.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", t.drawn)
	}
	for _, r := range rows {
		b.WriteString(clip(r, width-1) + "\n")
	}
	t.drawn = len(rows)
	if p.ended {
		t.drawn = 0
	}
	_, _ = io.WriteString(t.w, b.String())
}

// rows are the table's lines, at most limit: the steps that ended first make room.
func (t *table) rows(p progress, limit int) []string {
	names := slices.SortedFunc(maps.Keys(p.steps), func(a, b string) int {
		x, y := p.steps[a], p.steps[b]
		return cmp.Or(x.StartedAt.Compare(y.StartedAt), cmp.Compare(a, b))
	})
	done := 0
	for _, s := range p.steps {
		if s.Status == flow.StatusDone {
			done++
		}
	}
	head := fmt.Sprintf("%6.1fs  %d steps done, %d under way", p.elapsed.Seconds(), done, len(p.steps)-done)
	hidden := 0
	for i := 0; len(names) > limit-2 && i < len(names); {
		if p.steps[names[i]].Status != flow.StatusDone {
			i++
			continue
		}
		names = slices.Delete(names, i, i+1)
		hidden++
	}
	rows := []string{head}
	if hidden > 0 {
		rows = append(rows, fmt.Sprintf("          ✓ %d earlier steps", hidden))
	}
	for _, n := range names[:min(len(names), limit-len(rows))] {
		rows = append(rows, row(n, p.steps[n], p.now))
	}
	return rows
}

func row(name string, s *flow.Step, now time.Time) string {
	mark, end, note := "·", now, s.Waiting
	switch s.Status {
	case flow.StatusDone:
		mark, end, note = "✓", s.FinishedAt, ""
	case flow.StatusFailed:
		mark, end, note = "✗", s.FinishedAt, s.Error
	case flow.StatusRunning:
		if s.Error != "" && note == "" {
			note = "will be tried again: " + s.Error
		}
	}
	return strings.TrimRight(fmt.Sprintf("%7.1fs  %s %-44s %s", max(end.Sub(s.StartedAt), 0).Seconds(), mark, name, note), " ")
}

// clip cuts a line to the width of the terminal, so that it stays one line.
func clip(s string, width int) string {
	if r := []rune(s); len(r) > width && width > 0 {
		return string(r[:width-1]) + "…"
	}
	return s
}
