package keystone

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

// key is a question to Keystone. Tokens themselves are not kept.
type key struct {
	token        [sha256.Size]byte
	allowExpired bool
}

// answer is what Keystone said; no identity means that the token is not valid.
type answer struct {
	key   key
	id    *Identity
	until time.Time
}

// cache remembers the answers used last.
type cache struct {
	size int

	mu      sync.Mutex
	answers map[key]*list.Element // of *answer
	recent  *list.List            // the last used in front
}

func newCache(size int) *cache {
	return &cache{size: size, answers: map[key]*list.Element{}, recent: list.New()}
}

func (c *cache) get(k key, now time.Time) *answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.answers[k]
	if e == nil {
		return nil
	}
	a := e.Value.(*answer)
	if !now.Before(a.until) {
		c.drop(e)
		return nil
	}
	c.recent.MoveToFront(e)
	return a
}

func (c *cache) put(a *answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.answers[a.key]; e != nil {
		c.drop(e)
	}
	c.answers[a.key] = c.recent.PushFront(a)
	for c.recent.Len() > c.size {
		c.drop(c.recent.Back())
	}
}

func (c *cache) drop(e *list.Element) {
	delete(c.answers, c.recent.Remove(e).(*answer).key)
}
