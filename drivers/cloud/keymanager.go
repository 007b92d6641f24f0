package cloud

import (
	"context"
	"path"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/keymanager/v1/secrets"
)

const keyManager = "key-manager"

// KeyManager is Barbican for one actor.
type KeyManager struct{ c *gophercloud.ServiceClient }

// FindSecrets lists the hrefs of secrets with this name.
func (b *KeyManager) FindSecrets(ctx context.Context, name string) ([]string, error) {
	pages, err := secrets.List(b.c, secrets.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return nil, wrap(keyManager, err, "looking for secret %s", name)
	}
	l, err := secrets.ExtractSecrets(pages)
	return mapSlice(l, func(s secrets.Secret) string { return s.SecretRef }), wrap(keyManager, err, "reading secrets")
}

// CreateSecret stores a payload and gives its href.
func (b *KeyManager) CreateSecret(ctx context.Context, name, payload string) (string, error) {
	s, err := secrets.Create(ctx, b.c, secrets.CreateOpts{Name: name, Payload: payload, PayloadContentType: "text/plain", SecretType: secrets.OpaqueSecret}).Extract()
	if err != nil {
		return "", wrap(keyManager, err, "storing secret %s", name)
	}
	return s.SecretRef, nil
}

// Payload reads a secret's content.
func (b *KeyManager) Payload(ctx context.Context, href string) (string, error) {
	p, err := secrets.GetPayload(ctx, b.c, path.Base(href), secrets.GetPayloadOpts{PayloadContentType: "text/plain"}).Extract()
	if err != nil {
		return "", wrap(keyManager, err, "reading secret %s", path.Base(href))
	}
	return string(p), nil
}

// DeleteSecret deletes a secret.
func (b *KeyManager) DeleteSecret(ctx context.Context, href string) error {
	return wrap(keyManager, secrets.Delete(ctx, b.c, path.Base(href)).ExtractErr(), "deleting secret %s", path.Base(href))
}
