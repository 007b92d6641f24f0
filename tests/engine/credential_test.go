package engine

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// login tells whether a cluster's credential works, as the rows have it.
func (b *bed) login(v *db.ClusterView, userID string) error {
	_, err := b.clouds.User(context.Background(), cloud.User{ID: userID, Password: string(b.bundle(v, ops.SecretCredential).Passphrase), ProjectID: v.ProjectID})
	return err
}

// TestCredentialIsRotated: another user with another password, and no node was touched.
func TestCredentialIsRotated(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.run(b.conductor("one"))
	id := b.completed(order{name: "dev", masters: 1, workers: 1})
	before, user := b.view(id), b.recorded(id, "user")
	servers := b.recorded(id, "server")
	for range 2 {
		b.request(id, ops.ClusterRotateCredential, "", nil)
		b.reaches(id, ops.UpdateComplete)
	}
	after, now := b.view(id), b.recorded(id, "user")
	if len(now) != 1 || now[0].CloudID == user[0].CloudID || string(b.bundle(after, ops.SecretCredential).Passphrase) == "" {
		t.Fatalf("users %v, before %v", now, user)
	}
	if err := b.login(after, now[0].CloudID); err != nil {
		t.Errorf("the new user: %v", err)
	}
	if status := b.person("admin").do(http.MethodGet, "/identity/v3/users/"+user[0].CloudID, nil, nil); status != http.StatusNotFound {
		t.Errorf("the old user: HTTP %d", status)
	}
	if _, err := b.rows().Get(context.Background(), owner(before), before.SecretRefs[ops.SecretCredential]); err == nil {
		t.Error("the old password is still kept")
	}
	if l := b.recorded(id, "server"); len(l) != len(servers) || l[0].CloudID != servers[0].CloudID {
		t.Errorf("servers %v, before %v", l, servers)
	}
	b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = 2 })
	b.reaches(id, ops.UpdateComplete)
	b.deleted(id)
}

// TestCredentialThatDoesNotWork: a new user that is not let into the project never gets to act; the old one goes on, and
// the same can be asked for again.
func TestCredentialThatDoesNotWork(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	c := b.conductor("one")
	b.run(c)
	id := b.completed(order{name: "dev", masters: 1, workers: 0})
	user := b.recorded(id, "user")
	if err := b.cloud.Inject(sim.Rule{Service: "identity", Method: "PUT", PathRegexp: "/projects/.*/roles/", Action: sim.Action{Status: 403}}); err != nil {
		t.Fatal(err)
	}
	b.request(id, ops.ClusterRotateCredential, "", nil)
	v := b.reaches(id, ops.UpdateFailed)
	if v.StatusReason == nil || !strings.Contains(*v.StatusReason, "new service user") {
		t.Errorf("the reason is %v", v.StatusReason)
	}
	if err := b.login(v, user[0].CloudID); err != nil {
		t.Errorf("the old user: %v", err)
	}
	b.cloud.ClearFaults()
	b.request(id, ops.ClusterRotateCredential, "", nil)
	b.reaches(id, ops.UpdateComplete)
	if now := b.recorded(id, "user"); len(now) != 1 || now[0].CloudID == user[0].CloudID {
		t.Errorf("users %v, before %v", now, user)
	}
	b.deleted(id)
}

// TestCredentialOfTheServiceItself: there is none to rotate.
func TestCredentialOfTheServiceItself(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.own, b.clouds = true, b.factory("demo", "demo")
	b.run(b.conductor("one"))
	id := b.completed(order{name: "dev", masters: 1, workers: 0})
	b.request(id, ops.ClusterRotateCredential, "", nil)
	if v := b.reaches(id, ops.UpdateFailed); !strings.Contains(*v.StatusReason, "its own credential") {
		t.Errorf("the reason is %s", *v.StatusReason)
	}
	b.deleted(id)
}
