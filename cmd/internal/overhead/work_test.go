package overhead

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestWorkIsDone does all work for real, briefly.
func TestWorkIsDone(t *testing.T) {
	for work, names := range map[string][]string{"cpu": {"cpu"}, "memory": {"memory access", "memory copy"}, "disk": {"disk write", "disk synced blocks"},
		"network": {"network stream", "network round trips"}} {
		t.Run(work, func(t *testing.T) {
			folder := t.TempDir()
			figures, err := Do(t.Context(), work, Task{Samples: 3, Time: 20 * time.Millisecond, Folder: folder, Bytes: 4 * mebi})
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range figures {
				if f.Work != names[i] || len(f.Samples) != 3 || slices.Min(f.Samples) <= 0 || f.Unit == "" {
					t.Errorf("%+v", f)
				}
				t.Logf("%s: %.0f %s, spread %.0f %%", f.Work, f.Median(), f.Unit, 100*f.Spread())
			}
			if len(figures) != len(names) {
				t.Errorf("%d figures", len(figures))
			}
			if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestWorkStops(t *testing.T) {
	for _, work := range Works() {
		t.Run(work, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := Do(ctx, work, Task{Samples: 1000, Time: time.Second, Folder: t.TempDir(), Bytes: mebi}); err == nil {
				t.Error("it went on")
			}
		})
	}
}

func TestWorkThatIsNone(t *testing.T) {
	for name, task := range map[string]Task{"gpu": {Samples: 1, Time: time.Second}, "cpu": {Time: time.Second}, "disk": {Samples: 1, Time: time.Millisecond, Folder: "/nowhere"}} {
		if _, err := Do(t.Context(), name, task); err == nil {
			t.Errorf("%s with %+v is done", name, task)
		}
	}
	if _, err := Do(t.Context(), "network", Task{Samples: 1, Time: time.Millisecond, Connect: "127.0.0.1:1"}); err == nil {
		t.Error("nobody listens, and all is well")
	}
}

func TestServerServesOthers(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- serve(ctx, "127.0.0.1:0", ready) }()
	figures, err := Do(t.Context(), "network", Task{Samples: 1, Time: 10 * time.Millisecond, Connect: <-ready})
	if err != nil || len(figures) != 2 {
		t.Errorf("%v, %v", figures, err)
	}
	stop()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestMedianAndSpread(t *testing.T) {
	for _, tc := range []struct {
		name           string
		samples        []float64
		median, spread float64
	}{{"none", nil, 0, 0}, {"one", []float64{3}, 3, 0}, {"odd, with an outlier", []float64{10, 1000, 12}, 12, 990.0 / 12}, {"even", []float64{4, 2, 8, 6}, 5, 6.0 / 5}} {
		t.Run(tc.name, func(t *testing.T) {
			f := Figure{Samples: tc.samples}
			if f.Median() != tc.median || f.Spread() != tc.spread {
				t.Errorf("median %v, spread %v", f.Median(), f.Spread())
			}
		})
	}
}

// TestChainIsOneCycle: a short one would stay in the caches.
func TestChainIsOneCycle(t *testing.T) {
	next := chain(1000)
	place, length := next[0], 1
	for ; place != 0; length++ {
		place = next[place]
	}
	if length != len(next) {
		t.Errorf("the cycle has %d of %d places", length, len(next))
	}
}
