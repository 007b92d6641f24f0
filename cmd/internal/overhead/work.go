package overhead

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Task says how work is to be done.
type Task struct {
	Samples int           // whose median counts
	Time    time.Duration // of a sample
	Folder  string        // of disk: where it writes
	Listen  string        // of network: serve others at this address, until the context ends
	Connect string        // of network: where another one serves; "": this process does
	Bytes   int           // of memory and disk: how much is touched; 0: the usual
}

// Figure is how fast one kind of work went.
type Figure struct {
	Work    string    `json:"work"`
	Unit    string    `json:"unit"` // more is better
	Samples []float64 `json:"samples"`
}

// Median of the samples: what a busy neighbour does to one of them does not count.
func (f Figure) Median() float64 {
	s := slices.Sorted(slices.Values(f.Samples))
	n := len(s)
	switch {
	case n == 0:
		return 0
	case n%2 == 0:
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[n/2]
}

// Spread is how far the samples are apart, as a share of their median: figures of large ones are to be taken with care.
func (f Figure) Spread() float64 {
	if f.Median() == 0 {
		return 0
	}
	return (slices.Max(f.Samples) - slices.Min(f.Samples)) / f.Median()
}

func works() map[string]func(context.Context, Task) ([]Figure, error) {
	return map[string]func(context.Context, Task) ([]Figure, error){"cpu": cpu, "memory": memory, "disk": disk, "network": network}
}

// Works are the kinds of work.
func Works() []string { return slices.Sorted(maps.Keys(works())) }

// Do works.
func Do(ctx context.Context, work string, t Task) ([]Figure, error) {
	do := works()[work]
	switch {
	case do == nil:
		return nil, fmt.Errorf("there is no work %q; there are %s", work, strings.Join(Works(), ", "))
	case t.Samples < 1 || t.Time <= 0:
		return nil, fmt.Errorf("%d samples of %s are none", t.Samples, t.Time)
	}
	figures, err := do(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", work, err)
	}
	return figures, nil
}

// sample does rounds for the time of each sample, one more before that to warm up, and gives what they did per second.
func sample(ctx context.Context, t Task, name, unit string, round func() (done float64, err error)) (Figure, error) {
	f := Figure{Work: name, Unit: unit}
	if _, err := round(); err != nil {
		return f, err
	}
	for range t.Samples {
		done, start := 0.0, time.Now()
		for time.Since(start) < t.Time {
			n, err := round()
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return f, err
			}
			done += n
		}
		f.Samples = append(f.Samples, done/time.Since(start).Seconds())
	}
	return f, nil
}
