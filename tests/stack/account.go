package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// ServeAccount starts the all-in-one for one user's account in the real cloud, who has the roles on his project and no right
// beyond it. Of the stack there are the API, under its URL, and that user: One.
func ServeAccount(t testing.TB, roles ...string) *Stack {
	t.Helper()
	keystone := testenv.Require(t, testenv.KeystoneURL)
	s := &Stack{Dir: t.TempDir(), Region: testenv.Region}
	bin := Build(t)
	s.One = s.tenant(t, roles...)
	folder := filepath.Join(s.Dir, ".config", "openstack")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	s.write(t, ".config/openstack/clouds.yaml", fmt.Sprintf("clouds:\n  mine:\n    region_name: %s\n    auth: {auth_url: %q, username: %s, password: %s, project_name: %s, user_domain_name: Default, project_domain_name: Default}\n",
		s.Region, keystone, s.One.Name, s.One.Password, s.One.Name))
	address := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	s.URL = "http://" + address
	s.API = start(t, s.Dir, "jeroboam", filepath.Join(bin, "jeroboam"), "serve", "--os-cloud", "mine", "--listen", address, "--debug")
	s.Await(t, s.API, s.URL+"/healthcheck")
	return s
}
