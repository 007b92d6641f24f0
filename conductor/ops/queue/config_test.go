package queue_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/internal/oslo"
)

func TestConfigIsReadFromFiles(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		want       queue.Config
	}{
		{
			name: "defaults", file: "[oslo_messaging_rabbit]\n",
			want: queue.Config{Heartbeat: 15 * time.Second, RetryMin: time.Second, RetryMax: 30 * time.Second},
		},
		{
			name: "older names",
			file: "[oslo_messaging_rabbit]\nrabbit_use_ssl = true\nkombu_ssl_ca_certs = /ca\nkombu_ssl_certfile = /cert\nkombu_ssl_keyfile = /key\nheartbeat_timeout_threshold = 60\n",
			want: queue.Config{SSL: true, SSLCAFile: "/ca", SSLCertFile: "/cert", SSLKeyFile: "/key", Heartbeat: time.Minute, RetryMin: time.Second, RetryMax: 30 * time.Second},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "jeroboam.conf")
			if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			var got queue.Config
			var sources oslo.Sources
			sources.AddFile(path)
			if _, err := oslo.Load(sources, []oslo.Group{{Name: "oslo_messaging_rabbit", Target: &got}}, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDialRefusesWhatCanNeverWork(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	const url = "rabbit://u:s3cret@127.0.0.1:1/"
	for _, tt := range []struct {
		name string
		cfg  queue.Config
		want string
	}{
		{"a wrong URL", queue.Config{TransportURL: "kombu+memory://u:s3cret@h"}, "transport_url"},
		{"no CA file", queue.Config{TransportURL: url, SSL: true, SSLCAFile: junk + ".not"}, "ssl_ca_file"},
		{"a CA file of junk", queue.Config{TransportURL: url, SSL: true, SSLCAFile: junk}, "holds no certificate"},
		{"ssl comes from the query", queue.Config{TransportURL: url + "?ssl=1", SSLCAFile: junk}, "holds no certificate"},
		{"a certificate without its key", queue.Config{TransportURL: url, SSL: true, SSLCertFile: junk}, "go together"},
		{"a certificate of junk", queue.Config{TransportURL: url, SSL: true, SSLCertFile: junk, SSLKeyFile: junk}, "ssl_key_file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, err := queue.Dial(t.Context(), tt.cfg)
			if err == nil {
				_ = q.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %q, want %q and no password", err, tt.want)
			}
		})
	}
}
