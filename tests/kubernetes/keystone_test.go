package kubernetes

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// byToken: kubectl asks our program for tokens, and the cluster takes those of its project, each with the rights of its role.
func (c *cluster) byToken() {
	c.Helper()
	defer c.person("watcher", "reader", user)()
	clouds := filepath.Join(c.folder, "people.yaml")
	var text strings.Builder
	text.WriteString("clouds:\n")
	for name, project := range map[string]string{user: user, "watcher": user, "alt_demo": "alt_demo"} {
		fmt.Fprintf(&text, "  %s:\n    region_name: %s\n    container_infra_endpoint_override: %s\n    auth: {auth_url: %q, username: %s, password: %s, project_name: %s, user_domain_name: Default, project_domain_name: Default}\n",
			name, sim.Region, strings.TrimSuffix(c.infra.ResourceBase, "/"), c.cloud.AuthURL(), name, password, project)
	}
	c.write(clouds, text.String())
	run := func(program string, args ...string) (string, error) {
		cmd := exec.CommandContext(c.Context(), program, args...)
		cmd.Env = append(os.Environ(), "OS_CLIENT_CONFIG_FILE="+clouds, "PATH="+c.folder+":"+os.Getenv("PATH"), "HOME="+c.folder)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
		}
		return string(out), err
	}
	out, err := run(filepath.Join(c.folder, "jeroboam"), "cluster", "kubeconfig", c.name, "--os-cloud", user)
	if err != nil {
		c.Fatal(err)
	}
	kubeconfig := func(who string) string { // there is nothing in it that is one person's own
		path := filepath.Join(c.folder, who+".kubeconfig")
		c.write(path, strings.ReplaceAll(out, "- "+user+"\n", "- "+who+"\n"))
		return path
	}
	member, reader, stranger := kubeconfig(user), kubeconfig("watcher"), kubeconfig("alt_demo")
	for _, tc := range []struct {
		kubeconfig string
		args       []string
		says       string // of the output, or of the error that begins with !
	}{
		{member, []string{"auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}"}, `keystone:demo@default ["keystone:member","keystone:reader","system:authenticated"]`},
		{member, []string{"get", "nodes", "-o", "name"}, "node/" + c.name},
		{member, []string{"get", "secrets", "-n", "kube-system", "-o", "name"}, "secret/cloud-config"},
		{reader, []string{"get", "deployments", "-A", "-o", "name"}, "deployment.apps/coredns"},
		{reader, []string{"get", "secrets", "-n", "kube-system"}, "!Forbidden"},
		{reader, []string{"create", "namespace", "mine"}, "!Forbidden"},
		{stranger, []string{"get", "nodes"}, "!Unauthorized"},
	} {
		out, err := run(c.kubectl, append([]string{"--kubeconfig", tc.kubeconfig}, tc.args...)...)
		wrong, refused := strings.CutPrefix(tc.says, "!")
		switch {
		case refused && (err == nil || !strings.Contains(err.Error(), wrong)):
			c.Errorf("%s, kubectl %v: %v, %s; want %s", filepath.Base(tc.kubeconfig), tc.args, err, out, wrong)
		case !refused && (err != nil || !strings.Contains(out, tc.says)):
			c.Errorf("%s, kubectl %v: %v, %s; want %s", filepath.Base(tc.kubeconfig), tc.args, err, out, tc.says)
		}
	}
}

// person makes a user with one role in a project, until the result is called.
func (b *bed) person(name, role, project string) (leave func()) {
	b.Helper()
	p, err := openstack.AuthenticatedClient(b.Context(), gophercloud.AuthOptions{IdentityEndpoint: b.cloud.AuthURL(), Username: "admin", Password: password, DomainName: "Default",
		Scope: &gophercloud.AuthScope{ProjectName: "admin", DomainName: "Default"}})
	if err != nil {
		b.Fatal(err)
	}
	identity, err := openstack.NewIdentityV3(p, gophercloud.EndpointOpts{})
	if err != nil {
		b.Fatal(err)
	}
	made, err := users.Create(b.Context(), identity, users.CreateOpts{Name: name, DomainID: "default", Password: password}).Extract()
	if err != nil {
		b.Fatal(err)
	}
	pages, err := roles.List(identity, roles.ListOpts{Name: role}).AllPages(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	found, err := roles.ExtractRoles(pages)
	if err != nil || len(found) != 1 {
		b.Fatalf("the role %s: %v, %v", role, found, err)
	}
	pages, err = projects.List(identity, projects.ListOpts{Name: project}).AllPages(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	of, err := projects.ExtractProjects(pages)
	if err != nil || len(of) != 1 {
		b.Fatalf("the project %s: %v, %v", project, of, err)
	}
	if err := roles.Assign(b.Context(), identity, found[0].ID, roles.AssignOpts{UserID: made.ID, ProjectID: of[0].ID}).ExtractErr(); err != nil {
		b.Fatal(err)
	}
	return func() {
		if err := users.Delete(b.Context(), identity, made.ID).ExtractErr(); err != nil {
			b.Error(err)
		}
	}
}
