package drivers

import "sync"

// Memo remembers what was read from the cloud within one slice. The zero value is ready.
type Memo struct {
	mu    sync.Mutex
	calls map[string]*memoCall
}

type memoCall struct {
	once  sync.Once
	value any
	err   error
}

// Once runs read for a key the first time it is asked for and gives the same answer to everybody afterwards.
func Once[T any](m *Memo, key string, read func() (T, error)) (T, error) {
	m.mu.Lock()
	if m.calls == nil {
		m.calls = map[string]*memoCall{}
	}
	c := m.calls[key]
	if c == nil {
		c = &memoCall{}
		m.calls[key] = c
	}
	m.mu.Unlock()
	c.once.Do(func() { c.value, c.err = read() })
	v, _ := c.value.(T)
	return v, c.err
}
