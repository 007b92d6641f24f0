package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

// settling is how long an operation may take with everything that happens to it: leases of dead conductors run out after
// ten seconds, the broker is away for about as long.
const settling = 5 * time.Minute

// TestKill ends a conductor with SIGKILL in the middle of a create and another one in the middle of the delete, and takes
// broker and API away meanwhile. Other services hear of each operation's begin and end all the same.
func TestKill(t *testing.T) {
	broker := testenv.StartBroker(t)
	s := stack.Start(t, stack.Options{Broker: broker, Speed: 10, Sections: []string{"[oslo_messaging_notifications]\ndriver = messagingv2\n[oslo_messaging_rabbit]\namqp_durable_queues = true"}})
	x := s.One
	x.Want(t, 201, "POST", "/v1/clustertemplates", map[string]any{"name": "k8s", "coe": "kubernetes", "image_id": rig.ImageName, "flavor_id": rig.Flavor,
		"master_flavor_id": rig.Flavor, "external_network_id": "public", "master_lb_enabled": true})

	// The third and later requests for servers are held up, so that there is a middle to be hit.
	s.Inject(t, sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Nth: 3, Action: sim.Action{Delay: 5 * time.Minute}})
	uuid, _ := x.Want(t, 202, "POST", "/v1/clusters", map[string]any{"name": "dev", "cluster_template_id": "k8s", "master_count": 3, "node_count": 5}).JSON(t)["uuid"].(string)
	testenv.Eventually(t, settling, "some of the servers", func() bool { return len(s.Left(t, x.ProjectID)["server"]) == 2 })
	dead := working(t, s, uuid)
	t.Logf("killing %s", dead.Name)
	dead.Kill(t)
	s.ClearFaults(t)

	outage := time.Now()
	broker.Kill(t)
	s.API.Kill(t)
	s.API.Start(t)
	broker.Start(t)
	t.Logf("the broker was away for %v", time.Since(outage).Round(time.Second))
	s.Await(t, s.API, s.URL+"/healthcheck")

	c := x.Settled(t, uuid, "CREATE_COMPLETE", settling)
	if c["node_count"] != 5.0 || c["master_count"] != 3.0 || c["health_status"] != "HEALTHY" {
		t.Errorf("the cluster is %v", c)
	}
	once(t, s.Left(t, x.ProjectID), map[string]int{"server": 8, "load_balancer": 1, "network": 1, "subnet": 1, "router": 1, "floatingip": 1, "server_group": 2})

	dead.Start(t)
	s.Inject(t, sim.Rule{Service: "compute", Method: "DELETE", PathRegexp: "/servers/", Nth: 4, Action: sim.Action{Delay: 5 * time.Minute}})
	x.Want(t, 204, "DELETE", "/v1/clusters/"+uuid, nil)
	testenv.Eventually(t, settling, "some of the servers to be gone", func() bool { return len(s.Left(t, x.ProjectID)["server"]) <= 5 })
	second := working(t, s, uuid)
	t.Logf("killing %s", second.Name)
	second.Kill(t)
	s.ClearFaults(t)
	x.Gone(t, uuid, settling)
	if left := s.Left(t, x.ProjectID); len(left) > 0 {
		t.Errorf("left in the cloud: %v", left)
	}
	hears(t, broker, "create pending", "create success", "delete pending", "delete success")
}

// hears fails the test unless these notifications are there, and no others: each under one id, however often it was sent.
func hears(t *testing.T, broker *testenv.Broker, want ...string) {
	t.Helper()
	conn, err := amqp.Dial(strings.Replace(broker.URL, "rabbit://", "amqp://", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	ids, copies := map[string]string{}, 0 // of what was heard
	testenv.Eventually(t, settling, "the notifications", func() bool {
		d, ok, err := ch.Get("notifications.info", true)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return len(ids) >= len(want)
		}
		var outer map[string]string
		var m struct {
			ID      string `json:"message_id"`
			Payload struct{ Action, Outcome string }
		}
		if err := errors.Join(json.Unmarshal(d.Body, &outer), json.Unmarshal([]byte(outer["oslo.message"]), &m)); err != nil {
			t.Fatalf("%v: %s", err, d.Body)
		}
		if _, again := ids[m.ID]; again {
			copies++
		}
		ids[m.ID] = m.Payload.Action + " " + m.Payload.Outcome
		return false
	})
	t.Logf("%d notifications came, %d of them twice", len(ids)+copies, copies)
	if got := slices.Sorted(maps.Values(ids)); !slices.Equal(got, want) {
		t.Errorf("heard was %v, want %v", got, want)
	}
}

// working gives the conductor that works on a cluster.
func working(t *testing.T, s *stack.Stack, clusterUUID string) *stack.Process {
	t.Helper()
	store := rig.Open(t, s.Database)
	var found *stack.Process
	testenv.Eventually(t, settling, "a conductor to work on the cluster", func() bool {
		l, err := store.Operations(context.Background(), clusterUUID, db.OperationFilter{Active: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range l {
			for _, p := range s.Conductors {
				if strings.Contains(op.Owner, p.Name) {
					found = p
				}
			}
		}
		return found != nil
	})
	return found
}

// once fails the test unless the cloud has these counts, and no two objects of a kind with one name.
func once(t *testing.T, left map[string][]string, counts map[string]int) {
	t.Helper()
	for kind, l := range left {
		names := map[string]bool{}
		for _, x := range l {
			_, name, _ := strings.Cut(x, " ")
			if name != "" && names[name] {
				t.Errorf("there are two %s called %s", kind, name)
			}
			names[name] = true
		}
	}
	for kind, want := range counts {
		if len(left[kind]) != want {
			t.Errorf("%d of %s in the cloud, want %d: %v", len(left[kind]), kind, want, left[kind])
		}
	}
}
