package certmanager

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
)

func key(b byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)) }

func TestRows(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		ctx, o := context.Background(), Owner{ClusterUUID: "c", ProjectID: "p"}
		m, err := NewRows(s, []string{key(1)})
		if err != nil {
			t.Fatal(err)
		}
		ref, err := m.Put(ctx, o, "ca", pki.Bundle{Certificate: []byte("cert"), PrivateKey: []byte("first")})
		if err != nil {
			t.Fatal(err)
		}
		again, err := m.Put(ctx, o, "ca", pki.Bundle{PrivateKey: []byte("second")})
		if err != nil || again != ref {
			t.Errorf("a second put gave %q, %v", again, err)
		}
		rotated, err := NewRows(s, []string{key(2), key(1)})
		if err != nil {
			t.Fatal(err)
		}
		b, err := rotated.Get(ctx, o, ref)
		if err != nil || string(b.PrivateKey) != "first" || string(b.Certificate) != "cert" {
			t.Errorf("got %s, %v: the first put counts, and old keys decrypt", b.PrivateKey, err)
		}
		other, err := NewRows(s, []string{key(3)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Get(ctx, o, ref); !errors.Is(err, pki.ErrUnknownKey) {
			t.Errorf("without the key: %v", err)
		}
		row, err := s.Secret(ctx, ref)
		if err != nil || bytes.Contains(row.Sealed, []byte("first")) {
			t.Errorf("the row is not sealed: %v", err)
		}
		for range 2 { // a second delete is no error
			if err := m.Delete(ctx, o, "ca", ref); err != nil {
				t.Error(err)
			}
		}
		if _, err := m.Get(ctx, o, ref); !errors.Is(err, ErrNotFound) {
			t.Errorf("after the delete: %v", err)
		}
	})
}
