package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
)

// steps20 are 18 done steps and two under way.
func steps20(begin time.Time) progress {
	p := progress{elapsed: 12300 * time.Millisecond, now: begin.Add(12 * time.Second), begun: begin, steps: map[string]*flow.Step{}}
	for i := range 18 {
		p.steps[fmt.Sprintf("step %02d", i)] = &flow.Step{Status: flow.StatusDone, StartedAt: begin.Add(time.Duration(i) * time.Millisecond), FinishedAt: begin.Add(time.Second)}
	}
	p.steps["load balancer"] = &flow.Step{Status: flow.StatusRunning, StartedAt: begin, Waiting: "load balancer demo-api is PENDING_CREATE"}
	p.steps["host a"] = &flow.Step{Status: flow.StatusRunning, StartedAt: begin.Add(2 * time.Second), Error: "HTTP 503"}
	return p
}

func TestTableFitsTheTerminal(t *testing.T) {
	for _, x := range []struct {
		name          string
		width, height int
		rows, hidden  int
	}{
		{"everything", 200, 50, 21, 0},
		{"24 lines", 80, 24, 21, 0},
		{"10 lines", 40, 10, 7, 15},
		{"hardly any", 40, 4, 3, 18},
	} {
		t.Run(x.name, func(t *testing.T) {
			var out buffer
			tab := &table{w: &out, size: func() (int, int) { return x.width, x.height }}
			tab.show(steps20(time.Unix(1000, 0)))
			rows := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if len(rows) != x.rows || len(rows) >= x.height {
				t.Errorf("%d rows, expected %d:\n%s", len(rows), x.rows, out.String())
			}
			for _, r := range rows {
				if n := len([]rune(r)); n >= x.width {
					t.Errorf("a row of %d characters in a terminal of %d: %s", n, x.width, r)
				}
			}
			if told := strings.Contains(out.String(), fmt.Sprintf("%d earlier", x.hidden)); told != (x.hidden > 0) {
				t.Errorf("%d hidden steps are not told rightly:\n%s", x.hidden, out.String())
			}
			if !strings.Contains(out.String(), "load balancer") {
				t.Errorf("what is under way is not shown:\n%s", out.String())
			}
		})
	}
}

func TestTableIsDrawnOverItself(t *testing.T) {
	var out buffer
	tab := &table{w: &out, size: func() (int, int) { return 120, 40 }}
	p := steps20(time.Unix(1000, 0))
	tab.show(p)
	if strings.Contains(out.String(), "\x1b") {
		t.Error("the first drawing moves the cursor")
	}
	for _, want := range []string{"12.3s  18 steps done, 2 under way", "12.0s  · load balancer", "is PENDING_CREATE", "10.0s  · host a", "will be tried again: HTTP 503", "1.0s  ✓ step 00"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not shown:\n%s", want, out.String())
		}
	}
	p.ended = true
	tab.show(p)
	if got := strings.Count(out.String(), "\x1b[21A\x1b[J"); got != 1 {
		t.Errorf("the second drawing goes up 21 lines %d times, expected once", got)
	}
	before := len(out.String())
	tab.show(p)
	if strings.Contains(out.String()[before:], "\x1b") {
		t.Error("what follows the end is drawn over it")
	}
}
