package queue_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

func BenchmarkMemory(b *testing.B) {
	benchmark(b, func(b *testing.B) queue.Queue { return newMemory(b) })
}

func BenchmarkRabbit(b *testing.B) {
	url := testenv.Require(b, testenv.RabbitMQURL)
	benchmark(b, func(b *testing.B) queue.Queue { return dial(b, config(b, url)) })
}

func benchmark(b *testing.B, open func(b *testing.B) queue.Queue) {
	b.Run("hop", func(b *testing.B) { hop(b, open(b)) })
	b.Run("throughput", func(b *testing.B) { throughput(b, open(b)) })
}

// hop measures from the beginning of Publish to the beginning of the handler, one message at a time.
func hop(b *testing.B, q queue.Queue) {
	began := make(chan time.Time, 1)
	listen(b, q, 1, func(context.Context, queue.Message) error {
		began <- time.Now()
		return nil
	})
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if err := q.Publish(b.Context(), message()); err != nil {
			b.Fatal(err)
		}
		took = append(took, (<-began).Sub(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds()), "p95-µs")
}

// throughput has many publishers and one consumer.
func throughput(b *testing.B, q queue.Queue) {
	var handled atomic.Int64
	listen(b, q, 100, func(context.Context, queue.Message) error { handled.Add(1); return nil })
	b.SetParallelism(50)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := q.Publish(b.Context(), message()); err != nil {
				b.Error(err)
				return
			}
		}
	})
	eventually(b, "every message to be handled", func() bool { return handled.Load() == int64(b.N) })
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
