package addons

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	maxManifest  = 4 << 20
	maxRedirects = 3
	fetchTimeout = time.Minute
	maxKept      = 64 // manifests
)

// ErrChecksum says that a mirror has something else than the catalogue wants.
var ErrChecksum = errors.New("it has another checksum than the catalogue wants")

// Fetcher brings manifests of the catalogue here, and keeps them. It is safe for concurrent use.
type Fetcher struct {
	client *http.Client

	mu   sync.Mutex
	kept map[string][]byte // by checksum
}

// NewFetcher makes a fetcher over a transport, which verifies the mirror's certificate.
func NewFetcher(transport http.RoundTripper) *Fetcher {
	return &Fetcher{kept: map[string][]byte{}, client: &http.Client{Transport: transport, Timeout: fetchTimeout, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		switch {
		case r.URL.Scheme != "https":
			return errors.New("it leads away from https")
		case len(via) > maxRedirects:
			return fmt.Errorf("it leads on more than %d times", maxRedirects)
		}
		return nil
	}}}
}

// Fetch gives an entry's manifest. ErrChecksum stays so until the operator mends mirror or catalogue; other errors may pass.
func (f *Fetcher) Fetch(ctx context.Context, e Entry) ([]byte, error) {
	if have := f.find(e.SHA256); have != nil {
		return have, nil
	}
	manifest, err := f.get(ctx, e.URL)
	if err == nil {
		if sum := sha256.Sum256(manifest); !strings.EqualFold(hex.EncodeToString(sum[:]), e.SHA256) {
			err = ErrChecksum
		}
	}
	if err != nil {
		return nil, fmt.Errorf("fetch the manifest of add-on %s %s: %w", e.Name, e.Version, err)
	}
	f.keep(e.SHA256, manifest)
	return manifest, nil
}

func (f *Fetcher) get(ctx context.Context, from string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", ManagedBy)
	answer, err := f.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", from, answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxManifest+1))
	if err == nil && len(body) > maxManifest {
		err = fmt.Errorf("it has more than %d bytes", maxManifest)
	}
	return body, err
}

func (f *Fetcher) find(sum string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kept[sum]
}

func (f *Fetcher) keep(sum string, manifest []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for old := range f.kept { // any: a dropped one is fetched again
		if len(f.kept) < maxKept {
			break
		}
		delete(f.kept, old)
	}
	f.kept[sum] = manifest
}
