package certmanager

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
)

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// TestBarbicanIsAskedOnce: operations look at their secrets every few seconds.
func TestBarbicanIsAskedOnce(t *testing.T) {
	c, err := sim.New(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	f, err := cloud.NewFactory(cloud.Config{AuthURL: c.AuthURL(), AuthType: "password", Username: "jeroboam", Password: "secret", UserDomainName: "Default",
		ProjectName: "service", ProjectDomainName: "Default", Interface: "public"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	var reads atomic.Int32
	f.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return transport(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/payload") {
				reads.Add(1)
			}
			return next.RoundTrip(r)
		})
	})
	b, o, ctx, now := NewBarbican(f), Owner{ClusterUUID: "c", ProjectID: "p"}, t.Context(), time.Now()
	b.now = func() time.Time { return now }
	ref, err := b.Put(ctx, o, "ca", pki.Bundle{PrivateKey: []byte("key")})
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		later time.Duration
		want  int32
	}{{0, 1}, {time.Minute, 1}, {remembered, 2}, {0, 2}} {
		now = now.Add(step.later)
		got, err := b.Get(ctx, o, ref)
		if err != nil || string(got.PrivateKey) != "key" {
			t.Fatalf("%s, %v", got.PrivateKey, err)
		}
		if reads.Load() != step.want {
			t.Errorf("look %d: it was read %d times, expected %d", i, reads.Load(), step.want)
		}
	}
	if err := b.Delete(ctx, o, "ca", ref); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(ctx, o, ref); !errors.Is(err, ErrNotFound) {
		t.Errorf("a secret that was deleted: %v", err)
	}
}
