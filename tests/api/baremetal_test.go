package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// spec of a cluster's node group, as it was stored.
func (b *bed) spec(cluster, group string) (g *db.NodeGroup, spec ops.GroupSpec) {
	b.t.Helper()
	g, err := b.Store.NodeGroup(context.Background(), cluster, group)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := json.Unmarshal(g.Spec, &spec); err != nil {
		b.t.Fatal(err)
	}
	return g, spec
}

// TestServerType: a node group names its machines by a label, and the template what the others are.
func TestServerType(t *testing.T) {
	b := newBed(t)
	for _, tc := range []struct {
		name             string
		template         object
		cluster          object
		masters, workers string
	}{
		{"neither", object{}, object{}, "vm", "vm"},
		{"the template", object{"server_type": "bm", "flavor_id": "bm.general", "master_flavor_id": "bm.general"}, object{}, "ironic", "ironic"},
		{"workers by label", object{"labels": object{"server_type": "bm"}, "flavor_id": "bm.general"}, object{}, "vm", "ironic"},
		{"masters by label", object{"labels": object{"master_server_type": "bm"}, "master_flavor_id": "bm.general"}, object{}, "ironic", "vm"},
		{"the cluster's labels", object{"server_type": "bm", "flavor_id": "bm.general", "master_flavor_id": "bm.general"},
			object{"labels": object{"master_server_type": "vm"}, "master_flavor_id": "m1.medium"}, "vm", "ironic"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id := b.one.cluster(b.one.template(tc.template), tc.cluster)
			for group, driver := range map[string]string{"default-master": tc.masters, "default-worker": tc.workers} {
				g, spec := b.spec(id, group)
				if g.Driver != driver || (spec.ResourceClass == "CUSTOM_BAREMETAL") != (driver == "ironic") {
					t.Errorf("%s is of %s, expected %s: %+v", group, g.Driver, driver, spec)
				}
			}
		})
	}
	metal := b.one.template(object{"name": "metal", "server_type": "bm", "flavor_id": "bm.general", "master_flavor_id": "bm.general"})
	if a := b.one.want(200, "GET", "/v1/clustertemplates/"+metal, nil).json(); a["driver"] != "ironic" {
		t.Errorf("the template's driver: %v", a["driver"])
	}
}

// TestMetalNodeGroup of a cluster of servers.
func TestMetalNodeGroup(t *testing.T) {
	b := newBed(t)
	cluster := b.readied(nil)
	groups, id := cluster+"/nodegroups", cluster[len("/v1/clusters/"):]
	metal := object{"server_type": "bm", "root_device_hints": "size=>= 100,rotational=false"}
	b.one.want(202, "POST", groups, object{"name": "metal", "flavor_id": "bm.general", "labels": metal})
	if g, spec := b.spec(id, "metal"); g.Driver != "ironic" || spec.RootDevice["size"] != ">= 100" || spec.RootDevice["rotational"] != "false" || spec.BootVolumeSize != 0 {
		t.Errorf("%s: %+v", g.Driver, spec)
	}
	b.one.want(202, "POST", groups, object{"name": "servers"})
	if g, _ := b.spec(id, "servers"); g.Driver != "vm" {
		t.Errorf("the other group is of %s", g.Driver)
	}
	for _, tc := range []struct {
		name   string
		body   object
		status int
		says   string
	}{
		{"another kind", object{"flavor_id": "bm.general", "labels": object{"server_type": "lxd"}}, 400, "one of vm, bm"},
		{"a flavor of servers", object{"flavor_id": "m1.medium", "labels": object{"server_type": "bm"}}, 400, "resources:CUSTOM_"},
		{"a volume", object{"flavor_id": "bm.general", "docker_volume_size": 10, "labels": object{"server_type": "bm"}}, 400, "docker_volume_size"},
		{"hints of no kind", object{"flavor_id": "bm.general", "labels": object{"server_type": "bm", "root_device_hints": "colour=red"}}, 400, "root_device_hints"},
		{"more than there are", object{"flavor_id": "bm.general", "node_count": 9, "labels": object{"server_type": "bm"}}, 409, "9 nodes of resource class CUSTOM_BAREMETAL are needed, and 8 are available"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := b.one.want(tc.status, "POST", groups, with(object{"name": "x"}, tc.body)).detail(); !contains(d, tc.says) {
				t.Errorf("refused with %q, which does not say %q", d, tc.says)
			}
		})
	}
	quota := object{"project_id": b.one.project, "resource": "BaremetalNode", "hard_limit": 2}
	if a := b.one.want(200, "GET", "/v1/quotas/"+b.one.project+"/BaremetalNode", nil).json(); a["hard_limit"] != -1.0 {
		t.Errorf("without a row: %v", a)
	}
	b.admin.want(201, "POST", "/v1/quotas", quota)
	more := object{"name": "more", "flavor_id": "bm.general", "node_count": 2, "labels": object{"server_type": "bm"}}
	if d := b.one.want(403, "POST", groups, more).detail(); !contains(d, "quota of bare-metal nodes is 2, 1 are in use, and this needs 2 more") {
		t.Errorf("over the quota: %q", d)
	}
	b.one.want(202, "POST", groups, with(more, object{"node_count": 1}))
}

// TestPreflightOfMetal says what the machines have in common, and what stands against them.
func TestPreflightOfMetal(t *testing.T) {
	b := newBed(t)
	template := b.one.template(object{"labels": object{"server_type": "bm"}, "flavor_id": "bm.general"})
	a := b.one.want(200, "POST", "/v1/clusters/preflight", object{"cluster_template_id": template, "node_count": 2})
	if p := a.list("problems"); len(p) != 1 || p[0]["severity"] != "info" || !contains(fmt.Sprint(p[0]["message"]), "one network") {
		t.Errorf("preflight: %s", a.body)
	}
	if p := b.one.want(200, "POST", "/v1/clusters/preflight", object{"cluster_template_id": template, "node_count": 9}).list("problems"); len(p) != 2 || p[0]["field"] != "node_count" || p[0]["severity"] != "error" || p[1]["severity"] != "info" {
		t.Errorf("preflight of too many: %v", p)
	}
	b.one.want(http.StatusConflict, "POST", "/v1/clusters", object{"name": "many", "cluster_template_id": template, "node_count": 9})
}

// TestMetalWithoutKernel: machines that boot a kernel and a ramdisk count where the image names both.
func TestMetalWithoutKernel(t *testing.T) {
	b := newBed(t)
	template := b.one.template(object{"labels": object{"server_type": "bm"}, "flavor_id": "bm.general"})
	groups, all := b.readied(nil)+"/nodegroups", b.Machines(t)
	b.BootParts(t, all[1:]...)
	for _, tc := range []struct {
		name         string
		count        int
		status       int
		field, words string
	}{
		{"one that takes any image", 1, 202, "", ""},
		{"one of the others too", 2, 400, "image_id", "Image ubuntu-24.04-kube-v1.37.2 has no kernel_id and no ramdisk_id"},
		{"more than there are", len(all) + 1, 409, "node_count", "and 1 are available"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var problems []object
			for _, p := range b.one.want(200, "POST", "/v1/clusters/preflight", object{"cluster_template_id": template, "node_count": tc.count}).list("problems") {
				if p["severity"] == "error" {
					problems = append(problems, p)
				}
			}
			if tc.words == "" && len(problems) > 0 || tc.words != "" && (len(problems) != 1 || problems[0]["field"] != tc.field || !contains(fmt.Sprint(problems[0]["message"]), tc.words)) {
				t.Errorf("preflight: %v", problems)
			}
			a := b.one.do("POST", groups, object{"name": fmt.Sprint("metal-", tc.count), "flavor_id": "bm.general", "node_count": tc.count, "labels": object{"server_type": "bm"}})
			if a.status != tc.status || tc.words != "" && !contains(a.detail(), tc.words) {
				t.Errorf("%d: %s", a.status, a.body)
			}
		})
	}
}

// TestUpgradeOfMetalWithoutKernel: an upgrade rebuilds each machine where it is, so each has to boot the new image.
func TestUpgradeOfMetalWithoutKernel(t *testing.T) {
	b := newBed(t)
	b.work()
	metal := object{"labels": object{"server_type": "bm"}, "flavor_id": "bm.general"}
	id := b.one.cluster(b.one.template(metal), object{"node_count": 1})
	b.one.settled("/v1/clusters/"+id, "CREATE_COMPLETE")
	upgrade, next := "/v1/clusters/"+id+"/actions/upgrade", object{"cluster_template": b.one.template(with(metal, object{"name": "next"}))}
	b.one.want(202, "POST", upgrade, next)
	b.one.settled("/v1/clusters/"+id, "UPDATE_COMPLETE")
	for _, x := range b.Machines(t) {
		if x.InstanceID != "" {
			b.BootParts(t, x)
		}
	}
	refuse(t, []refusal{{"its machine boots parts", b.one, "POST", upgrade, next, 400, "has no kernel_id and no ramdisk_id, and the deploy interface of node "}})
}

// TestMetalQuotaSideBySide: requests that look at the quota at once do not all get what is left of it.
func TestMetalQuotaSideBySide(t *testing.T) {
	b := newBed(t)
	var groups []string
	for range 4 {
		groups = append(groups, b.readied(nil)+"/nodegroups")
	}
	b.admin.want(201, "POST", "/v1/quotas", object{"project_id": b.one.project, "resource": "BaremetalNode", "hard_limit": 2})
	var wg sync.WaitGroup
	answers := make([]answer, len(groups))
	for i, path := range groups {
		wg.Go(func() {
			answers[i] = b.one.do("POST", path, object{"name": "metal", "flavor_id": "bm.general", "labels": object{"server_type": "bm"}})
		})
	}
	wg.Wait()
	made := 0
	for _, a := range answers {
		switch {
		case a.status == 202:
			made++
		case a.status != 403 || !contains(a.detail(), "quota of bare-metal nodes is 2, 2 are in use, and this needs 1 more"):
			t.Errorf("%d: %s", a.status, a.body)
		}
	}
	if made != 2 {
		t.Errorf("%d groups were made with a quota of 2 nodes", made)
	}
}
