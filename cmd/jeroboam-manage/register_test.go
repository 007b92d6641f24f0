package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// TestRegister takes an operator's way through a real Keystone.
func TestRegister(t *testing.T) {
	keystone := testenv.Require(t, testenv.KeystoneURL)
	for k, v := range map[string]string{"OS_AUTH_URL": keystone, "OS_USERNAME": "admin", "OS_PASSWORD": testenv.Require(t, testenv.KeystoneAdminPassword), "OS_PROJECT_NAME": "admin",
		"OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default", "OS_REGION_NAME": testenv.Region, "OS_CLOUD": ""} {
		t.Setenv(k, v)
	}
	home, own, name := testenv.NewDomain(t).Name, "clusters-"+uuid.NewString(), "magnum-"+uuid.NewString()
	removeLater(t, own, name)
	conf := func(password string) string {
		text := fmt.Sprintf("[keystone_authtoken]\nauth_url = %s\nusername = jeroboam\npassword = %s\nuser_domain_name = %s\nproject_name = service\nproject_domain_name = %s\n[service_user]\ndomain = %s\n",
			keystone, password, home, home, own)
		path := filepath.Join(t.TempDir(), "jeroboam.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first, second := conf("one"), conf("two")
	system := filepath.Join(t.TempDir(), "ironic.conf")
	if err := os.WriteFile(system, []byte("[ironic]\nsystem_scope = all\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	here, there := "http://192.0.2.1:9511/v1", "http://192.0.2.2:9511/v1"
	for _, tc := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"no address", []string{"--config-file", first}, 1, []string{"--url"}},
		{"an address without a version", []string{"--config-file", first, "--url", "http://192.0.2.1:9511"}, 1, []string{"does not end in /v1"}},
		{"new", []string{"--config-file", first, "--url", here}, 0, []string{"created domain " + own, "created project service", "created user jeroboam", "granted", "created service " + name,
			"created public endpoint " + here, "created internal endpoint " + here}},
		{"again", []string{"--config-file", first, "--url", here}, 0, []string{"found   domain " + own, "found   user jeroboam", "found   public endpoint " + here}},
		{"an endpoint that leads elsewhere", []string{"--config-file", first, "--url", there}, 1, []string{here, "--replace"}},
		{"moved", []string{"--config-file", first, "--url", there, "--replace", "--admin-url", here}, 0, []string{"moved   public endpoint " + there, "created admin endpoint " + here}},
		{"another password", []string{"--config-file", second, "--url", there}, 1, []string{"another password", "--reset-password"}},
		{"reset", []string{"--config-file", second, "--url", there, "--reset-password"}, 0, []string{"changed the password of user jeroboam"}},
		{"with the new one", []string{"--config-file", second, "--url", there}, 0, []string{"found   user jeroboam"}},
		{"with rights on the system", []string{"--config-file", second, "--config-file", system, "--url", there}, 0, []string{"granted member to user jeroboam on the system"}},
	} {
		if tc.name == "with rights on the system" {
			asksIronic(t, keystone, home, false)
		}
		t.Run(tc.name, func(t *testing.T) {
			code, out, errs := call(t, append([]string{"register", "--service-name", name}, tc.args...)...)
			if code != tc.code {
				t.Fatalf("exit code %d: %s%s", code, out, errs)
			}
			for _, want := range tc.says {
				if !strings.Contains(out+errs, want) {
					t.Errorf("it does not say %q:\n%s%s", want, out, errs)
				}
			}
			if strings.Contains(out, "created") && tc.name == "again" {
				t.Errorf("it made something twice:\n%s", out)
			}
		})
	}
	asksIronic(t, keystone, home, true)
	works(t, gophercloud.AuthOptions{Username: "jeroboam", Password: "two", DomainName: home, Scope: &gophercloud.AuthScope{DomainName: own}}, own)
}

// works makes a user in the domain for the users of clusters, as the service does.
func works(t *testing.T, service gophercloud.AuthOptions, own string) {
	t.Helper()
	k, err := openstack.NewIdentityV3(testenv.Login(t, service), gophercloud.EndpointOpts{})
	if err != nil {
		t.Fatal(err)
	}
	d := find(t, own)
	if _, err := users.Create(t.Context(), k, users.CreateOpts{Name: "cluster", DomainID: d.ID, Password: "x"}).Extract(); err != nil {
		t.Errorf("the service's user cannot make users: %v", err)
	}
}

// asksIronic tells whether Keystone gives the service a token for the whole system. There is no Ironic behind it.
func asksIronic(t *testing.T, keystone, domain string, may bool) {
	t.Helper()
	f, err := cloud.NewFactory(cloud.Config{AuthURL: keystone, Username: "jeroboam", Password: "two", UserDomainName: domain, ProjectName: "service", ProjectDomainName: domain, BaremetalScope: "all"})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err = f.Baremetal(t.Context()); cloud.IsNoEndpoint(err) != may || cloud.IsUnauthorized(err) == may {
		t.Errorf("asking Ironic, which is to be possible: %t: %v", may, err)
	}
}

func admin(t *testing.T) *gophercloud.ServiceClient {
	t.Helper()
	k, err := openstack.NewIdentityV3(testenv.KeystoneAdmin(t), gophercloud.EndpointOpts{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func find(t *testing.T, domain string) domains.Domain {
	t.Helper()
	pages, err := domains.List(admin(t), domains.ListOpts{Name: domain}).AllPages(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	l, err := domains.ExtractDomains(pages)
	if err != nil || len(l) != 1 {
		t.Fatalf("domain %s: %v, %v", domain, l, err)
	}
	return l[0]
}

// removeLater takes away what the test lets the program make.
func removeLater(t *testing.T, domain, name string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, k, off := context.Background(), admin(t), false
		d := find(t, domain)
		if _, err := domains.Update(ctx, k, d.ID, domains.UpdateOpts{Enabled: &off}).Extract(); err != nil {
			t.Error(err)
		}
		if err := domains.Delete(ctx, k, d.ID).ExtractErr(); err != nil {
			t.Error(err)
		}
		pages, err := services.List(k, services.ListOpts{Name: name}).AllPages(ctx)
		if err != nil {
			t.Fatal(err)
		}
		l, err := services.ExtractServices(pages)
		if err != nil || len(l) != 1 {
			t.Fatalf("service %s: %v, %v", name, l, err)
		}
		if err := services.Delete(ctx, k, l[0].ID).ExtractErr(); err != nil {
			t.Error(err)
		}
	})
}
