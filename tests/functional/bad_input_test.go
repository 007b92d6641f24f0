package functional

import (
	"context"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

// refusal is a request that has to be refused before anything is stored.
type refusal struct {
	name   string
	body   any // what differs from a good body, or a whole one as text
	header []string
	status int
	says   []string // parts of the sentence: the field and the value
}

// badInput sends what is wrong to the places where clusters begin. The second tenant does it, who has nothing.
func badInput(t *testing.T, s *stack.Stack) {
	good := template(t, s.Two, "good", nil)
	hidden := template(t, s.Admin, "hidden", map[string]any{"public": true, "hidden": true})
	t.Run("templates", func(t *testing.T) {
		body := map[string]any{"name": "bad", "coe": "kubernetes", "image_id": image, "flavor_id": flavor, "master_flavor_id": flavor, "external_network_id": "public"}
		refused(t, s.Two, "/v1/clustertemplates", body, badTemplates())
	})
	t.Run("clusters", func(t *testing.T) {
		body := map[string]any{"name": "bad", "cluster_template_id": good}
		refused(t, s.Two, "/v1/clusters", body, append(badClusters(), refusal{name: "hidden template",
			body: map[string]any{"cluster_template_id": hidden}, status: 404, says: []string{hidden}}))
	})
	store := rig.Open(t, s.Database)
	if l, err := store.Clusters(context.Background(), db.Page{}, s.Two.ProjectID); err != nil || len(l) > 0 {
		t.Errorf("%d clusters were stored, %v", len(l), err)
	}
	if l, err := store.Templates(context.Background(), db.Page{}, db.Visibility{ProjectID: s.Two.ProjectID}); err != nil || len(l) != 1 {
		t.Errorf("%d templates are stored, want the one that is good, %v", len(l), err)
	}
	if left := s.Left(t, s.Two.ProjectID); len(left) > 0 {
		t.Errorf("something was made in the cloud: %v", left)
	}
}

func refused(t *testing.T, x *stack.Tenant, path string, good map[string]any, tests []refusal) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			body := test.body
			if more, ok := body.(map[string]any); ok {
				body = with(good, more)
			}
			a := x.Want(t, test.status, "POST", path, body, test.header...)
			for _, part := range test.says {
				if d := a.Detail(t); !strings.Contains(d, part) {
					t.Errorf("%q is not in the sentence: %s", part, d)
				}
			}
		})
	}
}

func badTemplates() []refusal {
	type m = map[string]any
	return []refusal{
		{name: "unknown attribute", body: m{"flavour": "x"}, status: 400, says: []string{"cluster_template", "flavour"}},
		{name: "read-only attribute", body: m{"project_id": "x"}, status: 400, says: []string{"project_id", "read only"}},
		{name: "missing image", body: m{"image_id": nil}, status: 400, says: []string{"image_id", "Mandatory"}},
		{name: "missing coe", body: m{"coe": nil}, status: 400, says: []string{"coe"}},
		{name: "another coe", body: m{"coe": "swarm"}, status: 400, says: []string{"coe", "swarm"}},
		{name: "wrong type", body: m{"docker_volume_size": "big"}, status: 400, says: []string{"docker_volume_size", "big"}},
		{name: "wrong boolean", body: m{"public": "perhaps"}, status: 400, says: []string{"public", "perhaps"}},
		{name: "unknown image", body: m{"image_id": "no-such-image"}, status: 400, says: []string{"mage", "no-such-image"}},
		{name: "image without os_distro", body: m{"image_id": "cirros"}, status: 400, says: []string{"os_distro", "cirros"}},
		{name: "unknown flavor", body: m{"flavor_id": "no-such-flavor"}, status: 400, says: []string{"flavor_id", "no-such-flavor"}},
		{name: "unknown master flavor", body: m{"master_flavor_id": "no-such-flavor"}, status: 400, says: []string{"master_flavor_id", "no-such-flavor"}},
		{name: "unknown external network", body: m{"external_network_id": "no-such-net"}, status: 400, says: []string{"external_network_id", "no-such-net"}},
		{name: "network that is not external", body: m{"external_network_id": "lan"}, status: 400, says: []string{"external", "lan"}},
		{name: "unknown network", body: m{"fixed_network": "no-such-net"}, status: 400, says: []string{"fixed_network", "no-such-net"}},
		{name: "unknown subnet", body: m{"fixed_subnet": "no-such-subnet"}, status: 400, says: []string{"fixed_subnet", "no-such-subnet"}},
		{name: "unknown network driver", body: m{"network_driver": "token-ring"}, status: 400, says: []string{"token-ring"}},
		{name: "name too long", body: m{"name": strings.Repeat("n", 256)}, status: 400, says: []string{"name", "nnnn"}},
		{name: "published by an ordinary user", body: m{"public": true}, status: 403, says: []string{"clustertemplate:publish"}},
	}
}

func badClusters() []refusal {
	type m = map[string]any
	label := func(name, value string) m { return m{"labels": m{name: value}} }
	return []refusal{
		{name: "unknown attribute", body: m{"node_cout": 3}, status: 400, says: []string{"argument cluster", "node_cout"}},
		{name: "read-only attribute", body: m{"api_address": "https://x"}, status: 400, says: []string{"api_address", "read only"}},
		{name: "no JSON", body: "{", status: 400, says: []string{"JSON"}},
		{name: "a list", body: "[]", status: 400, says: []string{"object"}},
		{name: "null", body: "null", status: 400, says: []string{"object"}},
		{name: "nothing", body: "", status: 400, says: []string{"Missing argument"}},
		{name: "another content type", body: "a=b", header: []string{"Content-Type", "text/plain"}, status: 415, says: []string{"text/plain"}},
		{name: "no template", body: m{"cluster_template_id": nil}, status: 400, says: []string{"cluster_template_id", "Mandatory"}},
		{name: "unknown template", body: m{"cluster_template_id": "no-such-template"}, status: 404, says: []string{"ClusterTemplate", "no-such-template"}},
		{name: "unknown template at an old version", body: m{"cluster_template_id": "no-such-template"}, header: []string{versionHeader, "container-infra 1.9"}, status: 400, says: []string{"no-such-template"}},
		{name: "count that is no number", body: m{"node_count": "many"}, status: 400, says: []string{"node_count", "many"}},
		{name: "negative count", body: m{"node_count": -1}, status: 400, says: []string{"node_count", "-1"}},
		{name: "no nodes at an old version", body: m{"node_count": 0}, header: []string{versionHeader, "container-infra 1.9"}, status: 400, says: []string{"node_count", "zero"}},
		{name: "no masters", body: m{"master_count": 0}, status: 400, says: []string{"master_count", "0"}},
		{name: "even masters", body: m{"master_count": 2, "master_lb_enabled": true}, status: 400, says: []string{"master_count", "2"}},
		{name: "masters without a load balancer", body: m{"master_count": 3}, status: 400, says: []string{"master_count", "master_lb_enabled"}},
		{name: "name too long", body: m{"name": strings.Repeat("n", 243)}, status: 400, says: []string{"name", "nnnn", "242"}},
		{name: "name that begins with a digit", body: m{"name": "1st"}, status: 400, says: []string{"name", "1st"}},
		{name: "unknown flavor", body: m{"flavor_id": "no-such-flavor"}, status: 400, says: []string{"flavor_id", "no-such-flavor"}},
		{name: "unknown master flavor", body: m{"master_flavor_id": "no-such-flavor"}, status: 400, says: []string{"master_flavor_id", "no-such-flavor"}},
		{name: "flavor without a disk", body: m{"flavor_id": "c.tiny"}, status: 400, says: []string{"c.tiny", "boot_volume_size"}},
		{name: "unknown keypair", body: m{"keypair": "no-such-key"}, status: 404, says: []string{"keypair", "no-such-key"}},
		{name: "unknown network", body: m{"fixed_network": "no-such-net"}, status: 400, says: []string{"fixed_network", "no-such-net"}},
		{name: "unknown subnet", body: m{"fixed_subnet": "no-such-subnet"}, status: 400, says: []string{"fixed_subnet", "no-such-subnet"}},
		{name: "more hosts than the quota has", body: m{"node_count": 500, "flavor_id": "m1.small"}, status: 403, says: []string{"instances", "100", "501"}},
		{name: "label that is a list", body: m{"labels": m{"a": []string{"b"}}}, status: 400, says: []string{"labels", "a"}},
		{name: "label that is no number", body: label("boot_volume_size", "big"), status: 400, says: []string{"boot_volume_size", "big"}},
		{name: "label that is no boolean", body: label("auto_healing_enabled", "perhaps"), status: 400, says: []string{"auto_healing_enabled", "perhaps"}},
		{name: "label that is no network", body: label("fixed_subnet_cidr", "10.0.0.0/40"), status: 400, says: []string{"fixed_subnet_cidr", "10.0.0.0/40"}},
		{name: "label with a version that the image has not", body: label("kube_tag", "v1.30.0"), status: 400, says: []string{"kube_tag", "v1.30.0", rig.Version}},
		{name: "label with an unknown zone", body: label("availability_zone", "mars"), status: 400, says: []string{"availability_zone", "mars"}},
	}
}
