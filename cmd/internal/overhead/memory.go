package overhead

import (
	"cmp"
	"context"
	"math/rand/v2"
)

const (
	mebi       = 1 << 20
	memorySize = 128 * mebi // beyond caches, so that the tables of pages and the way to the memory count
	steps      = 1 << 14    // of a round
)

// memory copies, which is bound by the width of the way to the memory, and follows a chain of places in random order, which
// is bound by its length: there a virtual machine in small pages looks everything up twice.
func memory(ctx context.Context, t Task) ([]Figure, error) {
	size := cmp.Or(t.Bytes, memorySize)
	next := chain(size / 8)
	place := uint32(0)
	access, err := sample(ctx, t, "memory access", "1/s", func() (float64, error) {
		for range steps {
			place = next[place]
		}
		return steps, nil
	})
	if err != nil {
		return nil, err
	}
	if int(place) >= len(next) {
		return nil, errWrong
	}
	from, to := make([]byte, size/2), make([]byte, size/2)
	for i := range from {
		from[i] = byte(i)
	}
	speed, err := sample(ctx, t, "memory copy", "MiB/s", func() (float64, error) {
		n := copy(to, from)
		if last := n - 1; to[last] != from[last] {
			return 0, errWrong
		}
		return float64(n) / mebi, nil
	})
	return []Figure{access, speed}, err
}

// chain visits all places once, in an order that no prefetcher guesses and that is the same everywhere.
func chain(places int) []uint32 {
	next := make([]uint32, places)
	for i := range next {
		next[i] = uint32(i)
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // nothing is to be kept from anybody
	for i := len(next) - 1; i > 0; i-- {  // Sattolo's shuffle: one cycle
		j := random.IntN(i)
		next[i], next[j] = next[j], next[i]
	}
	return next
}
