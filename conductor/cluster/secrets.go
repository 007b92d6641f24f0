package cluster

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
)

func (w *work) owner() certmanager.Owner {
	return certmanager.Owner{ClusterUUID: w.s.Cluster.UUID, ProjectID: w.s.Cluster.ProjectID}
}

// ensureSecrets makes all secrets of the cluster before anything else: what is written into a host's user data must be
// the same in every slice. They count once their references are recorded; a crash before that makes them anew.
func (w *work) ensureSecrets(ctx context.Context) drivers.Result {
	missing := false
	for _, name := range ops.SecretNames() {
		missing = missing || w.s.Cluster.SecretRefs[name] == ""
	}
	if !missing {
		return drivers.Done()
	}
	refs := db.Strings{}
	for _, name := range ops.SecretNames() {
		b, err := w.makeSecret(name)
		if err != nil {
			return drivers.Failed(drivers.ClassInternal, "making %s: %w", name, err)
		}
		if refs[name], err = w.e.Secrets.Put(ctx, w.owner(), name, b); err != nil {
			return drivers.Transient(err)
		}
	}
	err := w.e.Store.Record(ctx, w.op, func(s *db.Snapshot) error {
		s.Cluster.SecretRefs = refs
		return nil
	})
	if err == nil {
		w.s.Cluster.SecretRefs = refs
	}
	return drivers.FromError(err)
}

func (w *work) makeSecret(name string) (pki.Bundle, error) {
	source := pki.Source{Now: w.e.Now(), Rand: rand.Reader}
	switch name {
	case ops.SecretServiceAccount:
		private, public, err := pki.NewKeyPair(w.e.KeySize)
		return pki.Bundle{Certificate: public, PrivateKey: private}, err
	case ops.SecretCredential:
		password, err := randomText(32)
		return pki.Bundle{Passphrase: []byte(password)}, err
	case ops.SecretJoinToken:
		token, err := joinToken()
		return pki.Bundle{Passphrase: []byte(token)}, err
	case ops.SecretEncryptionKey:
		key := make([]byte, 32)
		_, err := rand.Read(key)
		return pki.Bundle{Passphrase: []byte(base64.StdEncoding.EncodeToString(key))}, err
	default:
		return pki.NewCA(w.s.Cluster.Name, w.e.KeySize, w.e.Validity, source)
	}
}

// secret reads one of the cluster's, once per slice.
func (w *work) secret(ctx context.Context, name string) (pki.Bundle, error) {
	ref := w.s.Cluster.SecretRefs[name]
	return drivers.Once(w.site.Memo, "secret "+ref, func() (pki.Bundle, error) {
		b, err := w.e.Secrets.Get(ctx, w.owner(), ref)
		if err != nil {
			return b, fmt.Errorf("reading %s of the cluster: %w", name, err)
		}
		return b, nil
	})
}

// removeSecrets deletes all of them, also those whose reference was never recorded.
func (w *work) removeSecrets(ctx context.Context) drivers.Result {
	refs := w.s.Cluster.SecretRefs
	later := append(laterNames(ops.GenerationOf(refs, ops.Generation), ops.Authorities()...), laterNames(ops.GenerationOf(refs, ops.CredentialGeneration), ops.SecretCredential)...)
	for _, name := range append(ops.SecretNames(), later...) {
		if err := w.e.Secrets.Delete(ctx, w.owner(), name, refs[name]); err != nil {
			return drivers.Transient(err)
		}
	}
	return drivers.Done()
}

// ensureUser makes the cluster's service user; from here on it acts.
func (w *work) ensureUser(ctx context.Context) drivers.Result {
	b, err := w.secret(ctx, ops.SecretCredential)
	if err != nil {
		return drivers.Transient(err)
	}
	name := w.site.Cluster.UserName(ops.GenerationOf(w.s.Cluster.SecretRefs, ops.CredentialGeneration))
	r := w.e.Infra.EnsureUser(ctx, w.site, name, string(b.Passphrase))
	if !r.IsDone() || w.e.OwnCredentials {
		return r
	}
	user, ok := w.l.Find(drivers.KindUser, name)
	if !ok {
		return drivers.Failed(drivers.ClassInternal, "the service user was not recorded")
	}
	w.site.Credential = drivers.Credential{UserID: user.ID, Password: string(b.Passphrase), ProjectID: w.s.Cluster.ProjectID}
	return r
}

func randomText(n int) (string, error) {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("reading randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// joinToken is a bootstrap token as kubeadm wants it: 6 and 16 characters of [a-z0-9].
func joinToken() (string, error) {
	const letters = "abcdefghijklmnopqrstuvwxyz234567" // 32, so that no letter is likelier
	b := make([]byte, 22)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("reading randomness: %w", err)
	}
	for i := range b {
		b[i] = letters[b[i]&31]
	}
	return string(b[:6]) + "." + string(b[6:]), nil
}
