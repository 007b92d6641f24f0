package addons

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// Entry is a manifest of somebody else's, where the operator's mirror has it.
type Entry struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`    // for people
	Kubernetes []string `json:"kubernetes"` // minor versions that it is for: "1.37"
	URL        string   `json:"url"`
	SHA256     string   `json:"sha256"`
	// Replace has texts of the manifest and what the cluster has in their place, in which {pod_cidr} and its like stand for
	// values of the cluster.
	Replace map[string]string `json:"replace,omitempty"`
}

// Catalogue is what manifests of others there are.
type Catalogue struct{ entries []Entry }

var minorPattern = regexp.MustCompile(`^1\.[0-9]{1,3}$`)

// ReadCatalogue reads a catalogue: YAML with a list «entries». The error names everything that is wrong.
func ReadCatalogue(file []byte) (*Catalogue, error) {
	var in struct {
		Entries []Entry `json:"entries"`
	}
	if err := yaml.UnmarshalStrict(file, &in); err != nil {
		return nil, err
	}
	var errs []error
	seen := map[string]bool{}
	for i, e := range in.Entries {
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("entry %d (%s): %s", i+1, e.Name, fmt.Sprintf(format, args...)))
		}
		if len(validation.IsDNS1123Label(e.Name)) > 0 {
			bad("name is not one of lower-case letters, digits and hyphens")
		}
		if u, err := url.Parse(e.URL); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			bad("url is not https://host/path")
		}
		if sum, err := hex.DecodeString(e.SHA256); err != nil || len(sum) != 32 {
			bad("sha256 is not 64 hexadecimal digits")
		}
		if len(e.Kubernetes) == 0 {
			bad("kubernetes is needed: the minor versions that it is for, such as \"1.37\"")
		}
		for _, minor := range e.Kubernetes {
			if !minorPattern.MatchString(minor) {
				bad("kubernetes: %q is not a minor version such as \"1.37\"", minor)
			}
			if seen[e.Name+" "+minor] {
				bad("there is another one for Kubernetes %s", minor)
			}
			seen[e.Name+" "+minor] = true
		}
		for _, text := range slices.Sorted(maps.Values(e.Replace)) {
			if _, err := (Cluster{}).fill(text); err != nil {
				bad("replace: %v", err)
			}
		}
	}
	return &Catalogue{in.Entries}, errors.Join(errs...)
}

// Find gives the entry of that name for a version of Kubernetes. A nil catalogue has none.
func (c *Catalogue) Find(name, kubernetesVersion string) (Entry, bool) {
	if c == nil {
		return Entry{}, false
	}
	i := slices.IndexFunc(c.entries, func(e Entry) bool {
		return e.Name == name && slices.Contains(e.Kubernetes, minorOf(kubernetesVersion))
	})
	if i < 0 {
		return Entry{}, false
	}
	return c.entries[i], true
}

// Names are the entries for a version of Kubernetes.
func (c *Catalogue) Names(kubernetesVersion string) []string {
	var names []string
	for _, e := range c.entries {
		if slices.Contains(e.Kubernetes, minorOf(kubernetesVersion)) {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	return names
}

// RenderEntry gives the objects of a manifest of the catalogue.
func RenderEntry(c Cluster, e Entry, manifest []byte) ([]*unstructured.Unstructured, error) {
	text := string(manifest)
	for _, old := range slices.Sorted(maps.Keys(e.Replace)) {
		filled, err := c.fill(e.Replace[old])
		if err != nil {
			return nil, fmt.Errorf("add-on %s: %w", e.Name, err)
		}
		if old == "" || !strings.Contains(text, old) { // of another version, perhaps: better not at all than with half of it
			return nil, fmt.Errorf("add-on %s: the manifest of version %s has no %q to replace", e.Name, e.Version, old)
		}
		text = strings.ReplaceAll(text, old, filled)
	}
	objects, err := readManifest([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("add-on %s: the manifest of version %s: %w", e.Name, e.Version, err)
	}
	return c.dress(e.Name, objects), nil
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// fill puts values of the cluster in place of their names.
func (c Cluster) fill(text string) (string, error) {
	values := map[string]string{
		"{pod_cidr}": c.PodCIDR, "{service_cidr}": c.ServiceCIDR, "{dns_domain}": c.DNSDomain, "{dns_address}": c.dnsAddress(),
		"{cluster_name}": c.Name, "{kubernetes_version}": c.KubernetesVersion, "{api_host}": c.APIHost, "{api_port}": strconv.Itoa(c.APIPort),
		"{region}": c.Cloud.Region, "{auth_url}": c.Cloud.AuthURL, "{project_id}": c.Cloud.ProjectID, "{subnet_id}": c.Cloud.SubnetID,
		"{external_network_id}": c.Cloud.ExternalNetworkID,
	}
	var errs []error
	out := placeholder.ReplaceAllStringFunc(text, func(name string) string {
		value, known := values[name]
		if !known {
			errs = append(errs, fmt.Errorf("%s is none of %s", name, strings.Join(slices.Sorted(maps.Keys(values)), ", ")))
		}
		return value
	})
	return out, errors.Join(errs...)
}
