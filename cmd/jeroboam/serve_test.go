package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

const startLimit = 90 * time.Second

// cloudsYAML makes the simulator known as cloud «mine», for user demo, and gives it.
func cloudsYAML(t *testing.T) *sim.Cloud {
	t.Helper()
	c, err := sim.New(sim.Options{Speed: 50, PublicCIDR: fmt.Sprintf("127.%d.0.0/16", 70+os.Getpid()%180)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "clouds.yaml")
	text := fmt.Sprintf("clouds:\n  mine:\n    region_name: %s\n    auth:\n      auth_url: %s\n      username: demo\n      password: secret\n      project_name: demo\n      user_domain_name: Default\n      project_domain_name: Default\n",
		sim.Region, c.AuthURL())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OS_CLIENT_CONFIG_FILE", path)
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	return c
}

// serving starts the service for cloud «mine» and ends it with the test.
func serving(t *testing.T) (url string, out *buffer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	out = &buffer{}
	o := &serveOptions{cloud: "mine", listen: "127.0.0.1:0", ready: func(url string) { ready <- url }}
	go func() { ended <- o.run(ctx, shell{out, out}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with %v", err)
		}
	})
	select {
	case url = <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	return url, out
}

// as is a user of the API at url.
func as(t *testing.T, c *sim.Cloud, url, user, project string) *person {
	t.Helper()
	p, err := openstack.AuthenticatedClient(t.Context(), gophercloud.AuthOptions{IdentityEndpoint: c.AuthURL(), Username: user, Password: "secret", DomainName: "Default",
		Scope: &gophercloud.AuthScope{ProjectName: project, DomainName: "Default"}})
	if err != nil {
		t.Fatal(err)
	}
	return &person{&gophercloud.ServiceClient{ProviderClient: p, Endpoint: url + "/", Type: "container-infra", Microversion: "1.14"}}
}

func TestServeOwnAccount(t *testing.T) {
	c := cloudsYAML(t)
	url, out := serving(t)
	for _, want := range []string{"container_infra_endpoint_override: " + url, "export OS_CONTAINER_INFRA_ENDPOINT_OVERRIDE=" + url} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not told:\n%s", want, out.String())
		}
	}
	me := as(t, c, url, "demo", "demo")
	id, err := me.createCluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	awaitCluster(t, me, id, "CREATE_COMPLETE")
	config, err := me.kubeconfig(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	nodes, _, err := listNodes(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := expectNodes(nodes); err != nil {
		t.Error(err)
	}
	if users := c.Resources("")["user"]; len(users) > 0 {
		t.Errorf("users were made: %v", users)
	}
	if err := me.deleteCluster(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	awaitCluster(t, me, id, "")
	if left := c.Resources(""); len(left) > 0 {
		t.Errorf("left in the cloud: %v", left)
	}
}

func TestServeLetsNobodyElseIn(t *testing.T) {
	c := cloudsYAML(t)
	url, _ := serving(t)
	for _, x := range []struct {
		name, user, project string
		status              int
	}{
		{"the person", "demo", "demo", http.StatusOK},
		{"another user", "alt_demo", "alt_demo", http.StatusUnauthorized},
		{"an admin in the same project", "admin", "demo", http.StatusUnauthorized},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := as(t, c, url, x.user, x.project)
			if got := status(t, url, p.infra.ProviderClient.Token()); got != x.status {
				t.Errorf("HTTP %d, expected %d", got, x.status)
			}
		})
	}
	for _, token := range []string{"", "nonsense"} {
		if got := status(t, url, token); got != http.StatusUnauthorized {
			t.Errorf("token %q: HTTP %d, expected 401", token, got)
		}
	}
}

func status(t *testing.T, url, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/clusters", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", token)
	answer, err := (&http.Client{Timeout: startLimit}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

func TestServeRefuses(t *testing.T) {
	cloudsYAML(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, x := range []struct {
		name string
		args []string
		want string
	}{
		{"no cloud", []string{"serve", "--os-cloud", ""}, "--os-cloud NAME"},
		{"an unknown cloud", []string{"serve", "--os-cloud", "yours"}, `cloud "yours" not found`},
		{"a bad address", []string{"serve", "--os-cloud", "mine", "--listen", "nine"}, "ADDRESS:PORT"},
		{"a bad port", []string{"serve", "--os-cloud", "mine", "--listen", "127.0.0.1:99999"}, "up to 65535"},
		{"a file that is not there", []string{"serve", "--os-cloud", "mine", "--config-file", "/nowhere.conf"}, "/nowhere.conf"},
		{"a port that is taken", []string{"serve", "--os-cloud", "mine", "--listen", taken.Addr().String()}, "address already in use"},
		{"a configuration that is not there", []string{"serve", "--config-file", "/nowhere/jeroboam.conf"}, "/nowhere/jeroboam.conf"},
		{"an unknown command", []string{"server"}, `no command "server"`},
		{"an argument too many", []string{"demo", "now"}, `unexpected argument "now"`},
		{"a bad quota", []string{"simulate", "--quota", "instances"}, "NAME=LIMIT"},
		{"a Keystone without user", []string{"simulate", "--keystone-url", "http://127.0.0.1:1/v3"}, "--keystone-username"},
	} {
		t.Run(x.name, func(t *testing.T) {
			var out, errs buffer
			if code := (shell{&out, &errs}).run(t.Context(), x.args); code == 0 {
				t.Error("it succeeded")
			}
			if !strings.Contains(errs.String(), x.want) {
				t.Errorf("%q is not in the error: %s", x.want, errs.String())
			}
		})
	}
}

// TestServeReadsAFile: what an account does not decide is taken from the file, the database and who may come in are not.
func TestServeReadsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "jeroboam.conf")
	if err := os.WriteFile(file, []byte("[periodic]\nheal_after = 7\n[database]\nconnection = mysql://elsewhere/x\n[api]\nhost = 192.0.2.1\n[keystone_auth]\nauth_url = http://192.0.2.1/v3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder, err := openData(filepath.Join(t.TempDir(), "data"), "mine")
	if err != nil {
		t.Fatal(err)
	}
	a := &account{name: "mine", auth: gophercloud.AuthOptions{IdentityEndpoint: "http://192.0.2.9/v3"}}
	o := &serveOptions{listen: "127.0.0.1:9511"}
	dir := filepath.Dir(file)
	o.files.dir = &dir
	o.files.sources.AddFile(file)
	cfg, warnings, err := o.config(a, folder)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if cfg.Periodic.HealAfter != 7*time.Second || cfg.Database.Connection != sqlite(folder.database()) || cfg.API.Host != "127.0.0.1" || cfg.Cloud.AuthURL != a.auth.IdentityEndpoint {
		t.Errorf("it serves with %v, %s, %s, %s", cfg.Periodic.HealAfter, cfg.Database.Connection, cfg.API.Host, cfg.Cloud.AuthURL)
	}
}

func TestTheKeyIsMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := openData(dir, "mine")
	if err != nil {
		t.Fatal(err)
	}
	second, err := openData(dir, "mine")
	if err != nil || second.key != first.key || len(first.key) != 44 {
		t.Errorf("keys %q and %q, %v", first.key, second.key, err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "key"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has %v, %v; expected %v", path, info.Mode().Perm(), err, want)
		}
	}
	if l, _ := os.ReadDir(dir); len(l) != 1 {
		t.Errorf("the folder holds %v", l)
	}
	if _, err := openData("", "../x"); err == nil {
		t.Error("a cloud's name led out of the data folder")
	}
}
