package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// configFile writes a service's configuration for a simulated cloud.
func configFile(t *testing.T, c *sim.Cloud) string {
	t.Helper()
	dir := t.TempDir()
	identity := fmt.Sprintf("auth_url = %s\nusername = jeroboam\npassword = secret\nproject_name = service\n", c.AuthURL())
	path := filepath.Join(dir, "jeroboam.conf")
	text := fmt.Sprintf("[api]\nhost = 127.0.0.1\nport = 0\n[database]\nconnection = sqlite:///%s\n[keystone_authtoken]\n%s[keystone_auth]\n%s"+
		"[certificates]\ncert_manager_type = x509keypair\nencryption_keys = %s\n", filepath.Join(dir, "jeroboam.sqlite"), identity, identity, strings.Repeat("A", 43)+"=")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestServeConfiguration: everybody in the cloud is served, and each cluster has a user of its own.
func TestServeConfiguration(t *testing.T) {
	c := cloudsYAML(t)
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	o := &serveOptions{ready: func(url string) { ready <- url }}
	file := configFile(t, c)
	dir := filepath.Dir(file)
	o.files.dir = &dir
	o.files.sources.AddFile(file)
	out := &buffer{}
	go func() { ended <- o.run(ctx, shell{out, out}) }()
	var url string
	select {
	case url = <-ready:
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with %v", err)
		}
	})
	for _, user := range []string{"demo", "alt_demo"} {
		me := as(t, c, url, user, user)
		id, err := me.createCluster(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		awaitCluster(t, me, id, "CREATE_COMPLETE")
	}
	if users := c.Resources("")["user"]; len(users) != 2 {
		t.Errorf("users of clusters: %v", users)
	}
}
