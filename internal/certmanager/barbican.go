package certmanager

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
)

// remembered is how long a secret that was read is not asked for again: an operation looks at its cluster every few seconds
// for minutes, and what a reference stands for never changes.
const remembered = 10 * time.Minute

// Barbican keeps each secret as one opaque secret in the service's own project, found by its name after a lost answer.
type Barbican struct {
	clouds *cloud.Factory
	now    func() time.Time

	mu   sync.Mutex
	read map[string]reading // by reference
}

type reading struct {
	bundle pki.Bundle
	until  time.Time
}

var _ Manager = (*Barbican)(nil)

// NewBarbican makes the manager.
func NewBarbican(clouds *cloud.Factory) *Barbican {
	return &Barbican{clouds: clouds, now: time.Now, read: map[string]reading{}}
}

func (b *Barbican) client(ctx context.Context) (*cloud.KeyManager, error) {
	c, err := b.clouds.Service(ctx)
	if err != nil {
		return nil, err
	}
	return c.KeyManager()
}

// Put implements Manager.
func (b *Barbican) Put(ctx context.Context, o Owner, name string, bundle pki.Bundle) (string, error) {
	raw, err := json.Marshal(pack(bundle))
	if err != nil {
		return "", fmt.Errorf("encoding secret %s: %w", name, err)
	}
	c, err := b.client(ctx)
	if err != nil {
		return "", err
	}
	if refs, err := c.FindSecrets(ctx, label(o, name)); err != nil || len(refs) > 0 {
		return first(refs), err
	}
	return c.CreateSecret(ctx, label(o, name), string(raw))
}

// Get implements Manager.
func (b *Barbican) Get(ctx context.Context, _ Owner, ref string) (pki.Bundle, error) {
	b.mu.Lock()
	known, ok := b.read[ref]
	b.mu.Unlock()
	if ok && b.now().Before(known.until) {
		return known.bundle, nil
	}
	c, err := b.client(ctx)
	if err != nil {
		return pki.Bundle{}, err
	}
	raw, err := c.Payload(ctx, ref)
	if cloud.IsNotFound(err) {
		return pki.Bundle{}, ErrNotFound
	}
	if err != nil {
		return pki.Bundle{}, err
	}
	var e encoded
	if err := json.Unmarshal([]byte(raw), &e); err != nil {
		return pki.Bundle{}, fmt.Errorf("decoding a secret of Barbican")
	}
	b.remember(ref, e.bundle())
	return e.bundle(), nil
}

// remember keeps what was read, and forgets what was read long ago.
func (b *Barbican) remember(ref string, bundle pki.Bundle) {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.read, func(_ string, r reading) bool { return !now.Before(r.until) })
	b.read[ref] = reading{bundle, now.Add(remembered)}
}

func (b *Barbican) forget(ref string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.read, ref)
}

// Delete implements Manager: by name, which finds what a lost answer left as well.
func (b *Barbican) Delete(ctx context.Context, o Owner, name, _ string) error {
	c, err := b.client(ctx)
	if err != nil {
		return err
	}
	refs, err := c.FindSecrets(ctx, label(o, name))
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if err := c.DeleteSecret(ctx, ref); err != nil && !cloud.IsNotFound(err) {
			return err
		}
		b.forget(ref)
	}
	return nil
}

func first(refs []string) string {
	if len(refs) == 0 {
		return ""
	}
	return refs[0]
}
