// Package certmanager keeps the secrets of clusters: CA keys, the service user's password, the join token. They go to
// encrypted rows of our own database or to Barbican, by [certificates] cert_manager_type.
package certmanager

import (
	"context"
	"errors"
	"fmt"

	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
)

// Config is group [certificates].
type Config struct {
	Type string   `opt:"cert_manager_type" default:"barbican" choices:"barbican,x509keypair" help:"Where CA keys and credentials of clusters are kept: barbican, or x509keypair for rows of our database that are encrypted with encryption_keys"`
	Keys []string `opt:"encryption_keys" secret:"true" help:"Keys for x509keypair: base64 of 32 random bytes each. The first one encrypts, all of them decrypt: to change the key put a new one in front. jeroboam-manage genkey makes one"`
}

// Owner is the cluster that a secret belongs to.
type Owner struct {
	ClusterUUID string
	ProjectID   string
}

// ErrNotFound says that there is no such secret.
var ErrNotFound = errors.New("secret not found")

// Manager keeps secrets.
type Manager interface {
	// Put stores a cluster's secret under a name and gives the reference that Get wants. The first Put counts: a secret
	// of that name that is there already, from an attempt whose answer was lost, is kept, so that a worker that slept
	// through the loss of its lease cannot replace a CA that hosts already trust.
	Put(ctx context.Context, o Owner, name string, b pki.Bundle) (ref string, err error)
	// Get reads one; ErrNotFound when it is not there.
	Get(ctx context.Context, o Owner, ref string) (pki.Bundle, error)
	// Delete deletes a cluster's secret by name and, if it was recorded, reference. One that is gone is no error.
	Delete(ctx context.Context, o Owner, name, ref string) error
}

// encoded is a bundle as it is stored.
type encoded struct {
	Certificate   []byte `json:"certificate,omitempty"`
	PrivateKey    []byte `json:"private_key,omitempty"`
	Intermediates []byte `json:"intermediates,omitempty"`
	Passphrase    []byte `json:"private_key_passphrase,omitempty"`
}

func pack(b pki.Bundle) encoded { return encoded(b) }

func (e encoded) bundle() pki.Bundle { return pki.Bundle(e) }

func label(o Owner, name string) string {
	return fmt.Sprintf("jeroboam-%s-%s", o.ClusterUUID, name)
}
