package service

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/validate/content"

	"github.com/jeroboam-cloud/jeroboam/conductor/cluster"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/drivers/addons"
)

// Addons is group [addons].
type Addons struct {
	Enabled           []string `opt:"enabled" help:"Add-ons of clusters whose labels do not speak of them: cloud-provider, cinder-csi, manila-csi, metrics-server, keystone-auth, node-local-dns, cluster-autoscaler"`
	Catalogue         string   `opt:"catalogue" help:"YAML file that says where manifests of others are on a mirror of yours, for API and conductors: a list entries, each with name (flannel, calico, cilium, node-local-dns, cluster-autoscaler, or a value of label ingress_controller), version, kubernetes (minor versions), url (https), sha256, and replace (texts of the manifest and what clusters have in their place, such as \"{pod_cidr}\"). Without it users bring the network of pods, whatever the network driver"`
	CAFile            string   `opt:"cafile" help:"Certificates of the authorities that the mirror is trusted by; unset: those of the system"`
	AuthURL           string   `opt:"auth_url" help:"Keystone as clusters reach it; unset: [keystone_authtoken] www_authenticate_uri, or else [keystone_auth] auth_url"`
	ContainerInfraURL string   `opt:"container_infra_url" help:"This service's API as clusters reach it, where label keystone_auth_enabled has their API servers ask it about tokens; unset: its public endpoint in Keystone's catalogue"`
	KeystoneRoles     []string `opt:"keystone_roles" default:"admin:cluster-admin,member:cluster-admin,reader:view,k8s_admin:cluster-admin,k8s_developer:edit,k8s_viewer:view" help:"What those who come to a cluster with a token of its project may do there: pairs of a role in Keystone and a ClusterRole. With others than admin, edit, view and cluster-admin their users bring these ClusterRoles"`
}

// catalogue reads what the option names; nil when it names none.
func (a Addons) catalogue() (*addons.Catalogue, error) {
	if a.Catalogue == "" {
		return nil, nil
	}
	file, err := os.ReadFile(a.Catalogue)
	if err != nil {
		return nil, fmt.Errorf("[addons] catalogue: %w", err)
	}
	c, err := addons.ReadCatalogue(file)
	if err != nil {
		return nil, fmt.Errorf("[addons] catalogue: %s: %w", a.Catalogue, err)
	}
	return c, nil
}

// bindings take keystone_roles apart.
func (a Addons) bindings() ([]addons.RoleBinding, error) {
	var out []addons.RoleBinding
	for _, pair := range a.KeystoneRoles {
		role, clusterRole, _ := strings.Cut(pair, ":")
		role, clusterRole = strings.TrimSpace(role), strings.TrimSpace(clusterRole)
		if role == "" || clusterRole == "" || len(content.IsPathSegmentName(role+clusterRole)) > 0 {
			return nil, fmt.Errorf("[addons] keystone_roles: %q is not a role of Keystone and a ClusterRole, such as reader:view", pair)
		}
		out = append(out, addons.RoleBinding{Group: ops.KeystonePrefix + role, ClusterRole: clusterRole})
	}
	return out, nil
}

func (a Addons) check() error {
	var errs []error
	for _, name := range a.Enabled {
		if !slices.Contains(ops.AddonNames(), name) {
			errs = append(errs, fmt.Errorf("[addons] enabled: %q is not one of %s", name, strings.Join(ops.AddonNames(), ", ")))
		}
	}
	if u, err := url.Parse(a.ContainerInfraURL); a.ContainerInfraURL != "" && (err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http")) {
		errs = append(errs, fmt.Errorf("[addons] container_infra_url: %q is not https://host/path", a.ContainerInfraURL))
	}
	_, roles := a.bindings()
	_, catalogue := a.catalogue()
	return errors.Join(append(errs, roles, catalogue)...)
}

// addonSources are what conductors make add-ons of.
func (c *Config) addonSources() (cluster.AddonSources, error) {
	out := cluster.AddonSources{AuthURL: c.Addons.AuthURL, Region: c.Cloud.RegionName, UserDomain: c.ServiceUser.Domain}
	for _, address := range []string{c.AuthToken.WWWAuthenticateURI, c.Cloud.AuthURL} {
		if out.AuthURL == "" {
			out.AuthURL = address
		}
	}
	var err error
	if out.KeystoneRoles, err = c.Addons.bindings(); err != nil {
		return out, err
	}
	if out.Catalogue, err = c.Addons.catalogue(); err != nil {
		return out, err
	}
	if c.Cloud.CAFile != "" {
		if out.CA, err = os.ReadFile(c.Cloud.CAFile); err != nil {
			return out, fmt.Errorf("[keystone_auth] cafile: %w", err)
		}
	}
	trust, err := authorities(c.Addons.CAFile)
	if err != nil {
		return out, fmt.Errorf("[addons] cafile: %w", err)
	}
	out.Fetcher = addons.NewFetcher(&http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true})
	return out, nil
}

// authorities are those of a file; the system's when there is none.
func authorities(file string) (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if file == "" {
		return out, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if out.RootCAs = x509.NewCertPool(); !out.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", file)
	}
	return out, nil
}
