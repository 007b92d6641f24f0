// Package sdk makes the calls of openstacksdk, in Debian's release of it, against our processes among real servers. That
// release has container infrastructure in its cloud layer only.
package sdk

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

//go:embed calls.py
var calls string

// verdict of one call.
type verdict struct {
	Name, Detail string
	OK           bool
}

func TestSDK(t *testing.T) {
	s := stack.Start(t, stack.Options{Speed: 20, Conductors: 1})
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", calls)
	cmd.Dir = s.Dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + s.Dir, "LC_ALL=C.UTF-8", "OS_CLOUD=one", "OS_CLIENT_CONFIG_FILE=" + clouds(t, s)}
	cmd.Stdin = strings.NewReader(request(t))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	n := 0
	for lines := bufio.NewScanner(&out); lines.Scan(); n++ {
		var v verdict
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		t.Run(v.Name, func(t *testing.T) {
			if !v.OK {
				t.Error(v.Detail)
			}
		})
	}
	if err != nil || n < 28 {
		t.Errorf("%d calls were made, %v\n%s", n, err, errs.String())
	}
	if left := s.Left(t, s.One.ProjectID); len(left) > 0 {
		t.Errorf("left in the cloud: %v", left)
	}
}

// clouds writes a clouds.yaml with an ordinary user and the admin.
func clouds(t *testing.T, s *stack.Stack) string {
	t.Helper()
	text := "clouds:\n"
	for name, x := range map[string]*stack.Tenant{"one": s.One, "admin": s.Admin} {
		text += fmt.Sprintf("  %s:\n    region_name: %s\n    auth:\n      auth_url: %s\n      username: %s\n      password: %s\n      project_name: %s\n      user_domain_id: default\n      project_domain_id: default\n",
			name, s.Region, testenv.Require(t, testenv.KeystoneURL), x.Name, x.Password, x.Name)
	}
	path := filepath.Join(s.Dir, "clouds.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// request is a CSR for an administrator.
func request(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}
