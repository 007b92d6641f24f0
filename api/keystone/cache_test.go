package keystone

import (
	"errors"
	"testing"
	"time"
)

func TestCache(t *testing.T) {
	f := newFake(t)
	c := newTestClient(t, f)
	f.tokens["long"] = fakeToken{user: "u", project: "p", expires: f.now.Add(time.Hour)}
	f.tokens["short"] = fakeToken{user: "u", project: "p", expires: f.now.Add(100 * time.Second)}
	for _, step := range []struct {
		name    string
		wait    time.Duration
		change  func()
		token   string
		expired bool
		valid   bool
		asked   int
	}{
		{name: "first", token: "long", valid: true, asked: 1},
		{name: "again", token: "long", valid: true},
		{name: "with expired ones allowed it is another question", token: "long", expired: true, valid: true, asked: 1},
		{name: "just before the cache time is over, though revoked", wait: 299 * time.Second, change: func() { f.tokens["long"] = fakeToken{revoked: true} }, token: "long", valid: true},
		{name: "the cache time is over", wait: time.Second, token: "long", asked: 1},
		{name: "not valid is remembered", token: "long"},
		{name: "but shortly", wait: invalidFor, token: "long", asked: 1},
		{name: "it comes to be", change: func() { f.tokens["new"] = fakeToken{user: "u", expires: f.now.Add(time.Hour)} }, token: "new", valid: true, asked: 1},
		{name: "another one, expired by now", token: "short", asked: 1},
		{name: "its time after this", change: func() { f.tokens["short2"] = fakeToken{user: "u", expires: f.now.Add(100 * time.Second)} }, token: "short2", valid: true, asked: 1},
		{name: "just before it expires", wait: 99 * time.Second, token: "short2", valid: true},
		{name: "expired", wait: time.Second, token: "short2", asked: 1},
	} {
		f.do(func() {
			f.now = f.now.Add(step.wait)
			if step.change != nil {
				step.change()
			}
		})
		before, _ := f.asked()
		_, err := c.Validate(t.Context(), step.token, step.expired)
		if (err == nil) != step.valid || err != nil && !errors.Is(err, ErrInvalidToken) {
			t.Fatalf("%s: error %v", step.name, err)
		}
		if after, _ := f.asked(); after-before != step.asked {
			t.Fatalf("%s: asked %d times", step.name, after-before)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	now := time.Unix(0, 0)
	c := newCache(3)
	at := func(i byte) key { return key{token: [32]byte{i}} }
	for i := range byte(3) {
		c.put(&answer{key: at(i), until: now.Add(time.Second)})
	}
	c.get(at(0), now) // used last
	c.put(&answer{key: at(3), until: now.Add(time.Second)})
	c.put(&answer{key: at(3), until: now.Add(2 * time.Second)})
	for i, want := range []bool{true, false, true, true} {
		if got := c.get(at(byte(i)), now) != nil; got != want {
			t.Errorf("answer %d is there: %v", i, got)
		}
	}
	if c.get(at(0), now.Add(time.Second)) != nil || c.get(at(3), now.Add(time.Second)) == nil {
		t.Error("answers do not end at their time")
	}
	if len(c.answers) != c.recent.Len() || len(c.answers) > 3 {
		t.Errorf("%d answers, %d in the list", len(c.answers), c.recent.Len())
	}
}
