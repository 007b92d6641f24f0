package queue

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestPause(t *testing.T) {
	s := &supervisor{cfg: Config{RetryMin: time.Second, RetryMax: 30 * time.Second}, to: transport{hosts: make([]brokerHost, 3)}}
	for _, tt := range []struct {
		name     string
		failures int
		jitter   float64
		want     time.Duration
	}{
		{"after a loss, soonest", 0, 0, 0},
		{"after a loss, latest", 0, 1, time.Second},
		{"another host is left", 1, 1, 0},
		{"and another one", 2, 1, 0},
		{"all have failed once", 3, 0, time.Second / 2},
		{"all have failed once, latest", 3, 1, time.Second},
		{"in the second round", 4, 1, 0},
		{"all have failed twice", 6, 1, 2 * time.Second},
		{"all have failed five times", 15, 1, 16 * time.Second},
		{"no longer than the limit", 18, 1, 30 * time.Second},
		{"for a year", 3_000_000, 0, 15 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.pause(tt.failures, tt.jitter); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context //nolint:containedctx // a case of the table
		err  error
		want verdict
	}{
		{"success", t.Context(), nil, ack},
		{"again", t.Context(), fmt.Errorf("scope taken: %w", ErrRequeue), requeue},
		{"failure", t.Context(), errors.New("no such operation"), reject},
		{"success while stopping", ended, nil, ack},
		{"failure while stopping", ended, errors.New("driver: bad connection"), requeue},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge(tt.ctx, tt.err); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
