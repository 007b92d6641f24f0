package engine

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// TestTheNewestPatchIsInstalledInTheWindow: of the templates that the owner sees, and only when all is well.
func TestTheNewestPatchIsInstalledInTheWindow(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	image := func(version string) sim.Image {
		return sim.Image{Name: "ubuntu-24.04-kube-" + version, Properties: map[string]string{"os_distro": "ubuntu", "kube_version": version, "architecture": "x86_64"}}
	}
	b := newBed(t, sim.Options{Images: []sim.Image{image("v1.37.2"), image("v1.37.3"), image("v1.37.4"), image("v1.37.5"), image("v1.38.1")}})
	b.secrets = b.rows()
	c := b.conductor("one")
	stop := b.run(c)
	w, id := b.watcher(c), b.completed(order{name: "dev", masters: 1, workers: 1, loadBalancer: true})
	stop() // what is asked for from here on is not carried out
	for version, owner := range map[string]string{"v1.37.3": b.project, "v1.37.4": b.project, "v1.37.5": b.projectID("alt_demo"), "v1.38.1": b.project} {
		x := &db.ClusterTemplate{UUID: uuid.NewString(), Name: version, ProjectID: owner, COE: "kubernetes", ImageID: "ubuntu-24.04-kube-" + version, CreatedAt: time.Now()}
		if err := b.store.CreateTemplate(ctx, x); err != nil {
			t.Fatal(err)
		}
	}
	now, err := b.store.Now(ctx)
	if err != nil {
		t.Fatal(err)
	}
	window := func(began time.Duration, auto bool) {
		t.Helper()
		err := b.store.ChangeCluster(ctx, id, func(s *db.Snapshot) error {
			s.Cluster.Maintenance = b.json(ops.Maintenance{AutoUpgrade: auto, Windows: []ops.Window{{Weekly: ops.Weekly{Time: now.Add(-began).Format("15:04")}, Duration: 120}}})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	b.look(w)
	for what, set := range map[string]func(){"it is not wanted": func() { window(time.Hour, false) }, "the window is closed": func() { window(4*time.Hour, true) }} {
		set()
		b.quiet(id, "a look when "+what, func() { b.look(w) })
	}
	window(time.Hour, true)
	b.look(w)
	l := b.operations(id, ops.ClusterUpgrade)
	if len(l) != 1 {
		t.Fatalf("%d upgrades were asked for\n%s", len(l), b.events(id))
	}
	var u ops.Upgrade
	if err := json.Unmarshal(l[0].Params, &u); err != nil {
		t.Fatal(err)
	}
	if u.KubernetesVersion != "v1.37.4" || u.ImageID != b.image("ubuntu-24.04-kube-v1.37.4").ID || len(u.From) != 2 || l[0].UserID != "" {
		t.Errorf("it leads to %+v", u)
	}
	b.quiet(id, "a look while it waits", func() { b.look(w) })
	if n := b.told(id, "upgrade", "v1.37.4"); n != 1 {
		t.Errorf("it was told %d times", n)
	}
	b.run(b.conductor("two"))
	b.ring(l[0].UUID)
	b.reaches(id, ops.UpdateComplete)
	if got := b.versions(id); len(got) != 1 || got["v1.37.4"] != 2 {
		t.Errorf("after the upgrade the nodes run %v\n%s", got, b.events(id))
	}
	b.look(w)
	b.quiet(id, "a look after it, in the same window", func() { b.look(w) })
	b.deleted(id)
}

// TestHealingWaitsForTheWindow: the brake is told once, and let go when the window opens.
func TestHealingWaitsForTheWindow(t *testing.T) {
	t.Parallel()
	b, _, w, id := watched(t, order{name: "dev", masters: 1, workers: 1})
	now, err := b.store.Now(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	window := func(began time.Duration) {
		t.Helper()
		err := b.store.ChangeCluster(context.Background(), id, func(s *db.Snapshot) error {
			s.Cluster.Labels = db.Strings{"auto_healing_enabled": "true"}
			s.Cluster.Maintenance = b.json(ops.Maintenance{Windows: []ops.Window{{Weekly: ops.Weekly{Time: now.Add(-began).Format("15:04")}, Duration: 120}}})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	window(4 * time.Hour)
	b.stop(id, b.namesOf(id, "default-worker")[0])
	testenv.Eventually(t, eventually, "the brake to be told", func() bool {
		b.look(w)
		return b.told(id, "healing of default-worker", "window is closed") > 0
	})
	b.look(w)
	if n, told := len(b.operations(id, ops.NodeGroupHeal)), b.told(id, "healing of default-worker", "window is closed"); n != 0 || told != 1 {
		t.Errorf("%d operations heal, the brake was told %d times\n%s", n, told, b.events(id))
	}
	window(time.Hour)
	b.look(w)
	b.reaches(id, ops.UpdateComplete)
	b.look(w)
	if status, _ := b.health(id); status != "HEALTHY" || len(b.operations(id, ops.NodeGroupHeal)) != 1 {
		t.Errorf("in the window it became %s\n%s", status, b.events(id))
	}
	b.deleted(id)
}
