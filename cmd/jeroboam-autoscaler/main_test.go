package main

import (
	"os"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// TestRefusesToStart: what is wrong is told at once.
func TestRefusesToStart(t *testing.T) {
	newBed(t, sim.Options{})
	f := newAuthority(t, "ours").files()
	good := []string{"--tls-cert", f.cert, "--tls-key", f.key, "--client-ca", f.clientCA, "--listen", "127.0.0.1:0"}
	for _, tc := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"help", []string{"--help"}, 0, "Usage: jeroboam-autoscaler --cluster NAME"},
		{"the version", []string{"--version"}, 0, "jeroboam-autoscaler "},
		{"no cluster", good, 2, "Usage:"},
		{"an unknown option", []string{"--fast"}, 2, "-fast"},
		{"too much", append(good, "--cluster", "dev", "prod"), 2, "Usage:"},
		{"no certificates", []string{"--cluster", "dev"}, 1, "--tls-cert, --tls-key and --client-ca are needed"},
		{"no client CA", append(good, "--cluster", "dev", "--client-ca", ""), 1, "are needed"},
		{"a client CA that is none", append(good, "--cluster", "dev", "--client-ca", f.key), 1, "has no certificate"},
		{"a client CA that is not there", append(good, "--cluster", "dev", "--client-ca", "/nope"), 1, "--client-ca: open /nope"},
		{"a key of nothing", append(good, "--cluster", "dev", "--tls-key", f.cert), 1, "--tls-cert and --tls-key"},
		{"an unknown cluster", append(good, "--cluster", "dev"), 1, "looking for the cluster: Cluster dev could not be found. (HTTP 404)"},
		{"an unknown cloud", append(good, "--cluster", "dev", "--os-cloud", "nope"), 1, "reading clouds.yaml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out lines
			if code := run(t.Context(), tc.args, &out, &out); code != tc.code || !strings.Contains(out.String(), tc.says) {
				t.Errorf("exit code %d, expected %d, with %q:\n%s", code, tc.code, tc.says, out.String())
			}
		})
	}
	t.Setenv("OS_PASSWORD", "wrong")
	var out lines
	if code := run(t.Context(), append(good, "--cluster", "dev"), &out, &out); code != 1 || !strings.Contains(out.String(), "signing in at "+os.Getenv("OS_AUTH_URL")) || strings.Contains(out.String(), "wrong") {
		t.Errorf("a wrong password: %d\n%s", code, out.String())
	}
}
