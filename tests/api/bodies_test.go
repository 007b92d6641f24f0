package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBodiesOfClients: whole requests in the words of those who send them, with all that they add to what their user said.
func TestBodiesOfClients(t *testing.T) {
	b := newBed(t)
	b.keypair("mine")
	id := b.one.template(object{"master_lb_enabled": true})
	for _, tc := range []struct {
		name, version, path string
		body, want          object
	}{
		{"a template by openstack coe", "latest", "clustertemplates", object{"name": "k8s", "image_id": image, "keypair_id": nil, "external_network_id": "public", "coe": "kubernetes", "fixed_network": nil, "fixed_subnet": nil,
			"network_driver": nil, "volume_driver": nil, "driver": nil, "dns_nameserver": "8.8.8.8", "flavor_id": "m1.medium", "master_flavor_id": nil, "docker_volume_size": nil, "docker_storage_driver": "overlay2",
			"http_proxy": nil, "https_proxy": nil, "no_proxy": nil, "labels": object{}, "tls_disabled": false, "public": false, "registry_enabled": false, "insecure_registry": nil, "server_type": "vm", "master_lb_enabled": false},
			object{"network_driver": "flannel", "master_flavor_id": nil, "flavor_id": "m1.medium", "driver": "vm", "floating_ip_enabled": true}},
		{"a template by tempest", "", "clustertemplates", object{"name": "tempest-1", "image_id": image, "network_driver": nil, "dns_nameserver": "8.8.8.8", "docker_storage_driver": nil, "labels": object{}, "cluster_distro": nil,
			"coe": "kubernetes", "keypair_id": "nope", "external_network_id": "public", "http_proxy": nil, "https_proxy": nil, "no_proxy": nil, "volume_driver": nil, "flavor_id": "m1.small", "master_flavor_id": "m1.small",
			"docker_volume_size": 3, "public": false, "registry_enabled": true, "server_type": nil},
			object{"server_type": "vm", "registry_enabled": true, "docker_volume_size": 3.0, "keypair_id": "nope"}},
		{"a template by Horizon", "1.13", "clustertemplates", object{"name": "h", "image_id": image, "coe": "kubernetes", "public": "False", "hidden": "False", "registry_enabled": "True", "tls_disabled": "False", "master_lb_enabled": "True",
			"floating_ip_enabled": "False", "flavor_id": "m1.small", "master_flavor_id": "m1.small", "keypair_id": "", "volume_driver": "", "docker_storage_driver": "overlay2", "docker_volume_size": "", "insecure_registry": "",
			"network_driver": "calico", "external_network_id": "public", "fixed_network": "", "fixed_subnet": "", "dns_nameserver": "", "http_proxy": "", "https_proxy": "", "no_proxy": "",
			"labels": object{"auto_scaling_enabled": true, "min_node_count": 1}, "server_type": "vm"},
			object{"registry_enabled": true, "master_lb_enabled": true, "floating_ip_enabled": false, "docker_volume_size": nil, "fixed_network": nil, "labels": object{"auto_scaling_enabled": "True", "min_node_count": "1"}}},
		{"a cluster by openstack coe", "latest", "clusters", object{"cluster_template_id": id, "create_timeout": 60, "discovery_url": nil, "keypair": nil, "master_count": 1, "name": "c", "node_count": 1},
			object{"name": "c", "keypair": nil, "create_timeout": 60.0}},
		{"a cluster by Horizon", "1.13", "clusters", object{"name": "h", "cluster_template_id": id, "keypair": "mine", "master_count": "3", "node_count": "2", "create_timeout": "60", "discovery_url": "", "docker_volume_size": "",
			"flavor_id": "m1.small", "master_flavor_id": "m1.medium", "master_lb_enabled": "True", "floating_ip_enabled": "True", "fixed_network": "", "fixed_subnet": "", "merge_labels": "True",
			"labels": object{"auto_healing_enabled": true, "master_lb_floating_ip_enabled": false}},
			object{"master_count": 3.0, "node_count": 2.0, "keypair": "mine", "docker_volume_size": nil, "labels": object{"auto_healing_enabled": "True", "master_lb_floating_ip_enabled": "False"}}},
		{"a cluster by gophercloud", "", "clusters", object{"cluster_template_id": id, "create_timeout": nil, "name": "", "master_count": 1, "node_count": 1}, object{"create_timeout": nil, "node_count": 1.0}},
		{"a cluster by tempest", "", "clusters", object{"name": "tempest-2", "keypair": "mine", "cluster_template_id": id, "node_count": 1, "master_count": 1, "discovery_url": nil, "create_timeout": 60}, object{"keypair": "mine"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status := map[string]int{"clusters": 202, "clustertemplates": 201}[tc.path]
			uuid := b.one.at(tc.version).want(status, "POST", "/v1/"+tc.path, tc.body).text("uuid")
			got := b.one.want(200, "GET", "/v1/"+tc.path+"/"+uuid, nil).json()
			for name, want := range tc.want {
				if d := cmp.Diff(want, got[name]); d != "" {
					t.Errorf("%s (-want +got):\n%s", name, d)
				}
			}
		})
	}
}
