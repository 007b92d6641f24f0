package sim

import (
	"context"
	"math"
	"time"
)

// instantFactor stands for «no waiting»: loops that wait for each other by the clock still get somewhere without
// spinning.
const instantFactor = 1000

// Clock scales how long things take. Its time of day is the wall's, whatever the factor: expiry dates of tokens and
// certificates go back and forth between the simulator and programs that know no other time.
type Clock struct{ factor float64 }

// NewClock makes a clock whose seconds last 1/speed seconds. 0 and infinity mean that nothing takes noticeable time.
func NewClock(speed float64) Clock {
	if speed <= 0 || math.IsInf(speed, 1) || math.IsNaN(speed) {
		speed = instantFactor
	}
	return Clock{factor: speed}
}

// Now is the time of day.
func (c Clock) Now() time.Time { return time.Now().UTC() }

// Wall is how long a duration of the cloud lasts outside.
func (c Clock) Wall(d time.Duration) time.Duration { return time.Duration(float64(d) / c.factor) }

// Sleep waits for a duration of the cloud, or returns ctx's error when that is done first.
func (c Clock) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(c.Wall(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
