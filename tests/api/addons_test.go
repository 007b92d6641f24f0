package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// catalogue has the same entries for some versions of Kubernetes.
type catalogue map[string][]string

func (c catalogue) Names(version string) []string { return c[version[:len("v1.37")]] }

// specOf a cluster.
func (b *bed) specOf(id string) (spec ops.ClusterSpec) {
	b.t.Helper()
	v, err := b.Store.Cluster(b.t.Context(), id, "")
	if err != nil {
		b.t.Fatal(err)
	}
	if err := json.Unmarshal(v.Spec, &spec); err != nil {
		b.t.Fatal(err)
	}
	return spec
}

// TestAddonLabels: what labels ask for is resolved when the cluster is asked for, and what cannot be is refused then.
func TestAddonLabels(t *testing.T) {
	b := newBed(t)
	flannel, cilium := b.one.template(object{"name": "flannel", "network_driver": "flannel"}), b.one.template(object{"name": "cilium", "network_driver": "cilium"})
	none := b.one.template(object{"name": "none", "network_driver": "none"})
	both := catalogue{"v1.37": {"flannel", "nginx"}}
	for i, tc := range []struct {
		name, template string
		catalogue      catalogue // nil: none
		defaults       []string
		labels         object
		want           []string
		settings       map[string]string
		says, field    string // refused
		warns          string
	}{
		{name: "nothing, without a catalogue", template: flannel},
		{name: "the network of the catalogue", template: flannel, catalogue: both, want: []string{"network"}},
		{name: "a network that it lacks", template: cilium, catalogue: both, says: "Network driver cilium: the catalogue of add-ons has no cilium for Kubernetes v1.37.2; there are: flannel, nginx", field: "cluster_template_id"},
		{name: "no network", template: none, catalogue: both},
		{name: "another version of Kubernetes", template: flannel, catalogue: catalogue{"v1.36": {"flannel"}}, says: "there are: none", field: "cluster_template_id"},
		{name: "our own", template: flannel, labels: object{"cloud_provider_enabled": "true", "cinder_csi_enabled": "Yes", "metrics_server_enabled": "1", "cloud_provider_tag": "v1.35.0",
			"csi_cinder_default_volume_type": "hdd", "octavia_lb_healthcheck": "off", "csi_attacher_tag": " v4.9.0 "},
			want: []string{"cloud-provider", "cinder-csi", "metrics-server"}, settings: map[string]string{"cloud_provider_tag": "v1.35.0", "csi_cinder_default_volume_type": "hdd", "octavia_lb_healthcheck": "false", "csi_attacher_tag": "v4.9.0"}},
		{name: "the service's defaults", template: flannel, defaults: []string{"metrics-server", "cinder-csi"}, labels: object{"cinder_csi_enabled": "false", "csi_attacher_tag": "v1"}, want: []string{"metrics-server"}},
		{name: "an ingress of the catalogue", template: none, catalogue: both, labels: object{"ingress_controller": "nginx"}, want: []string{"ingress"}, settings: map[string]string{"ingress_controller": "nginx"}},
		{name: "an ingress that it lacks", template: none, catalogue: both, labels: object{"ingress_controller": "traefik"}, says: "has no traefik for", field: "labels.ingress_controller"},
		{name: "an ingress without a catalogue", template: none, labels: object{"ingress_controller": "nginx"}, warns: "Label ingress_controller has no effect"},
		{name: "a default that the catalogue lacks", template: none, catalogue: both, defaults: []string{"node-local-dns"}, warns: "has no node-local-dns for"},
		{name: "neither yes nor no", template: flannel, labels: object{"metrics_server_enabled": "perhaps"}, says: "true or false is expected", field: "labels.metrics_server_enabled"},
		{name: "no tag", template: flannel, labels: object{"cloud_provider_enabled": "true", "cloud_provider_tag": "v1 --evil"}, says: "the tag of an image is expected", field: "labels.cloud_provider_tag"},
		{name: "an unknown algorithm", template: flannel, labels: object{"cloud_provider_enabled": "true", "octavia_lb_algorithm": "RANDOM"}, says: "one of ROUND_ROBIN", field: "labels.octavia_lb_algorithm"},
		{name: "an unknown volume type", template: flannel, labels: object{"cinder_csi_enabled": "true", "csi_cinder_default_volume_type": "tape"}, says: `volume type "tape" could not be found`, field: "labels.csi_cinder_default_volume_type"},
		{name: "an unknown provider of load balancers", template: flannel, labels: object{"cloud_provider_enabled": "true", "octavia_provider": "moon"}, says: `load balancer provider "moon" could not be found; there are: amphora, octavia`, field: "labels.octavia_provider"},
		{name: "a provider of load balancers", template: flannel, labels: object{"cloud_provider_enabled": "true", "octavia_provider": "octavia"}, want: []string{"cloud-provider"}},
		{name: "details of what is off do not matter", template: flannel, labels: object{"octavia_provider": "moon", "csi_cinder_default_volume_type": "tape", "octavia_lb_algorithm": "RANDOM"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.server.Catalogue, b.server.Defaults.Addons = nil, tc.defaults
			if tc.catalogue != nil {
				b.server.Catalogue = tc.catalogue
			}
			body := object{"name": fmt.Sprint("c", i), "cluster_template_id": tc.template, "labels": tc.labels}
			problems := b.one.refusedFor(body)
			made := b.one.do("POST", "/v1/clusters", body)
			if tc.says != "" {
				if made.status != 400 || !strings.Contains(made.detail(), tc.says) {
					t.Errorf("HTTP %d %s", made.status, made.body)
				}
				if len(problems) != 1 || problems[0]["field"] != tc.field || !strings.Contains(fmt.Sprint(problems[0]["message"]), tc.says) {
					t.Errorf("preflight: %v", problems)
				}
				return
			}
			if made.status != 202 {
				t.Fatalf("HTTP %d %s", made.status, made.body)
			}
			if all := fmt.Sprint(b.one.want(200, "POST", "/v1/clusters/preflight", body).list("problems")); len(problems) != 0 || !strings.Contains(all, tc.warns) || tc.warns == "" && strings.Contains(all, "labels.") {
				t.Errorf("preflight: %v, %s; want a warning with %q", problems, all, tc.warns)
			}
			spec := b.specOf(made.text("uuid"))
			if !slices.Equal(spec.Addons, tc.want) {
				t.Errorf("add-ons %v, want %v", spec.Addons, tc.want)
			}
			if d := cmp.Diff(tc.settings, spec.AddonSettings); d != "" {
				t.Errorf("settings (-want +got):\n%s", d)
			}
		})
	}
}

// TestOwnCredentialIsNotGivenAway: the all-in-one acts as a person, whose credential is put into no cluster.
func TestOwnCredentialIsNotGivenAway(t *testing.T) {
	b := newBed(t)
	b.server.OwnCredentials, b.server.Defaults.Addons = true, []string{"cinder-csi", "metrics-server"}
	template := b.one.template(nil)
	a := b.one.do("POST", "/v1/clusters", object{"cluster_template_id": template, "labels": object{"cloud_provider_enabled": "true"}})
	if a.status != 400 || !strings.Contains(a.detail(), "puts it into none") {
		t.Errorf("HTTP %d %s", a.status, a.body)
	}
	if spec := b.specOf(b.one.cluster(template, object{"name": "dev"})); !slices.Equal(spec.Addons, []string{"metrics-server"}) {
		t.Errorf("add-ons %v", spec.Addons)
	}
}

// TestAddonPatch: labels of add-ons that come and go may be changed, others not; nothing is done where nothing follows.
func TestAddonPatch(t *testing.T) {
	b := newBed(t)
	b.server.Catalogue = catalogue{"v1.37": {"flannel"}}
	id := b.one.cluster(b.one.template(object{"network_driver": "flannel", "labels": object{"cloud_provider_enabled": "true", "metrics_server_enabled": "true", "runtime": "runc"}}), object{"name": "dev"})
	path := "/v1/clusters/" + id
	for _, tc := range []struct {
		name string
		ops  []object
		want []string // add-ons; nil: refused
		says string
		runs bool // an operation
	}{
		{"another is turned on", []object{op("add", "/labels/cinder_csi_enabled", "true"), op("add", "/labels/csi_cinder_reclaim_policy", "Retain")}, []string{"network", "cloud-provider", "cinder-csi", "metrics-server"}, "", true},
		{"the same again", []object{op("add", "/labels/cinder_csi_enabled", "true")}, []string{"network", "cloud-provider", "cinder-csi", "metrics-server"}, "", false},
		{"one is turned off", []object{op("replace", "/labels/metrics_server_enabled", "false")}, []string{"network", "cloud-provider", "cinder-csi"}, "", true},
		{"one is forgotten", []object{op("remove", "/labels/cinder_csi_enabled", nil)}, []string{"network", "cloud-provider"}, "", true},
		{"a detail of what is off", []object{op("add", "/labels/metrics_server_tag", "v0.8.0")}, []string{"network", "cloud-provider"}, "", false},
		{"a detail of what stays", []object{op("add", "/labels/cloud_provider_tag", "v1.35.0")}, []string{"network", "cloud-provider"}, "", true},
		{"what hosts were made with", []object{op("replace", "/labels/cloud_provider_enabled", "false")}, nil, "cannot change cluster property(ies) labels. What was made with cloud_provider_enabled stays", false},
		{"what is no add-on", []object{op("replace", "/labels/runtime", "kata"), op("add", "/labels/foo", "1")}, nil, "What was made with foo, runtime stays", false},
		{"a wrong value", []object{op("add", "/labels/metrics_server_enabled", "perhaps")}, nil, "true or false is expected", false},
		{"an unknown volume type", []object{op("add", "/labels/cinder_csi_enabled", "true"), op("add", "/labels/csi_cinder_default_volume_type", "tape")}, nil, "could not be found", false},
		{"what the catalogue lacks", []object{op("add", "/labels/ingress_controller", "nginx")}, nil, "has no nginx", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.set(id, "UPDATE_COMPLETE", "UPDATE_COMPLETE", nil)
			before := b.specOf(id)
			a := b.one.do("PATCH", path, tc.ops)
			if tc.want == nil {
				if a.status != 400 || !strings.Contains(a.detail(), tc.says) {
					t.Errorf("HTTP %d %s", a.status, a.body)
				}
				if d := cmp.Diff(before, b.specOf(id)); d != "" {
					t.Errorf("refused, and changed (-want +got):\n%s", d)
				}
				return
			}
			if a.status != 202 {
				t.Fatalf("HTTP %d %s", a.status, a.body)
			}
			if spec := b.specOf(id); !slices.Equal(spec.Addons, tc.want) {
				t.Errorf("add-ons %v, want %v", spec.Addons, tc.want)
			}
			l, err := b.Store.Operations(t.Context(), id, db.OperationFilter{Limit: 1})
			if err != nil || (b.one.want(200, "GET", path, nil).text("status") == "UPDATE_IN_PROGRESS") != tc.runs || tc.runs && l[0].Kind != string(ops.ClusterUpdate) {
				t.Errorf("an operation runs, want %v: %+v, %v", tc.runs, l[0], err)
			}
		})
	}
	b.set(id, "UPDATE_COMPLETE", "UPDATE_COMPLETE", nil)
	b.server.Catalogue = catalogue{}
	b.one.want(202, "PATCH", path, []object{op("add", "/labels/metrics_server_enabled", "true")}) // the network is not asked for again
}

// TestAddonsKeepUp: a version of Kubernetes is refused for which the catalogue lacks what a cluster has of it.
func TestAddonsKeepUp(t *testing.T) {
	b := newBed(t)
	b.server.Catalogue = catalogue{"v1.36": {"flannel"}}
	old := b.one.template(object{"name": "old", "image_id": imageWithoutRuntimes, "network_driver": "flannel", "master_lb_enabled": true})
	next := b.one.template(object{"name": "next", "network_driver": "flannel", "master_lb_enabled": true})
	id := b.one.cluster(old, object{"name": "dev"})
	b.set(id, "CREATE_COMPLETE", "CREATE_COMPLETE", nil)
	path, body := "/v1/clusters/"+id+"/actions/upgrade", object{"cluster_template": next}
	if a := b.one.do("POST", path, body); a.status != 400 || !strings.Contains(a.detail(), "has no flannel for Kubernetes v1.37.2") {
		t.Errorf("HTTP %d %s", a.status, a.body)
	}
	b.server.Catalogue = catalogue{"v1.36": {"flannel"}, "v1.37": {"flannel"}}
	b.one.want(202, "POST", path, body)
}
