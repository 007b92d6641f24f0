package sim

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	for _, test := range []struct {
		name  string
		speed float64
		want  time.Duration
	}{
		{"real", 1, 30 * time.Second}, {"faster", 20, 1500 * time.Millisecond}, {"slower", 0.5, time.Minute},
		{"instant", 0, 30 * time.Millisecond}, {"infinite", math.Inf(1), 30 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := NewClock(test.speed).Wall(30 * time.Second); got != test.want {
				t.Errorf("got %s", got)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := NewClock(1).Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
