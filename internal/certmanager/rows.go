package certmanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
)

// Rows keeps secrets as encrypted rows of our database.
type Rows struct {
	store *db.Store
	keys  *pki.Keyring
}

var _ Manager = (*Rows)(nil)

// NewRows makes the manager; the keyring must hold a key.
func NewRows(store *db.Store, keys []string) (*Rows, error) {
	ring, err := pki.NewKeyring(keys)
	if err != nil {
		return nil, fmt.Errorf("[certificates] encryption_keys: %w", err)
	}
	return &Rows{store: store, keys: ring}, nil
}

// reference is derived from cluster and name, so that a second Put meets the first.
func reference(o Owner, name string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(label(o, name))).String()
}

// Put implements Manager.
func (r *Rows) Put(ctx context.Context, o Owner, name string, b pki.Bundle) (string, error) {
	raw, err := json.Marshal(pack(b))
	if err != nil {
		return "", fmt.Errorf("encoding secret %s: %w", name, err)
	}
	ref := reference(o, name)
	row := &db.Secret{UUID: ref, ClusterUUID: o.ClusterUUID, ProjectID: o.ProjectID, Name: name, Sealed: []byte(r.keys.Seal(raw, ref))}
	if err := r.store.PutSecret(ctx, row); err != nil && !errors.Is(err, db.ErrDuplicate) {
		return "", fmt.Errorf("storing secret %s: %w", name, err)
	}
	return ref, nil
}

// Get implements Manager.
func (r *Rows) Get(ctx context.Context, _ Owner, ref string) (pki.Bundle, error) {
	row, err := r.store.Secret(ctx, ref)
	if errors.Is(err, db.ErrNotFound) {
		return pki.Bundle{}, ErrNotFound
	}
	if err != nil {
		return pki.Bundle{}, fmt.Errorf("reading secret: %w", err)
	}
	raw, err := r.keys.Open(string(row.Sealed), ref)
	if err != nil {
		return pki.Bundle{}, fmt.Errorf("opening secret %s: %w", row.Name, err)
	}
	var e encoded
	if err := json.Unmarshal(raw, &e); err != nil {
		return pki.Bundle{}, fmt.Errorf("decoding secret %s", row.Name)
	}
	return e.bundle(), nil
}

// Delete implements Manager.
func (r *Rows) Delete(ctx context.Context, o Owner, name, _ string) error {
	err := r.store.DeleteSecret(ctx, reference(o, name))
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	return err
}
