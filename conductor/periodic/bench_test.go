package periodic

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

// eyes look over real TLS connections, one per cluster, at one server that stands for all their APIs.
type eyes map[string]*kube.Client

func (e eyes) NodeStates(ctx context.Context, s *db.Snapshot) (map[string]bool, error) {
	return e[s.Cluster.UUID].NodeStates(ctx)
}
func (eyes) NodeConditions(context.Context, *db.Snapshot) (map[string][]db.Condition, error) {
	return nil, nil
}
func (eyes) Certificate(context.Context, *db.Snapshot) (c ops.Certificates, ok bool) {
	return c, false
}
func (eyes) GoneHosts(context.Context, *db.Snapshot) ([]string, error)    { return nil, nil }
func (eyes) Drift(context.Context, *db.Snapshot) ([]drivers.Drift, error) { return nil, nil }
func (eyes) Image(context.Context, *db.Snapshot, string) (drivers.Image, error) {
	return drivers.Image{}, nil
}

// BenchmarkIdleClusters is the cost of looks at 1,000 healthy clusters of five nodes, with the CPU of everything in this
// process: the watcher, its database and the server that answers. A look a minute at each of them takes a thousand such
// operations a minute.
func BenchmarkIdleClusters(b *testing.B) {
	const clusters = 1000
	store, names := dbtest.SQLite(b), []string{"m-0", "m-1", "m-2", "w-0", "w-1"}
	table := metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{{Name: "Name"}, {Name: "Status"}, {Name: "Roles"}, {Name: "Age"}, {Name: "Version"}}}
	for _, n := range names {
		table.Rows = append(table.Rows, metav1.TableRow{Cells: []any{n, "Ready", "<none>", "3d", "v1.37.2"}})
	}
	answer, err := json.Marshal(table)
	if err != nil {
		b.Fatal(err)
	}
	api := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}))
	api.EnableHTTP2 = true
	api.StartTLS()
	b.Cleanup(api.Close)
	access := kube.Access{Endpoint: api.URL, CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})}
	access.ClientCert, access.ClientKey = pair(b)
	sights := eyes{}
	for i := range clusters {
		id := idle(b, store, i, names)
		if sights[id], err = kube.New(access); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(sights[id].Close)
	}
	w := &Watcher{Config: Config{Parallel: 32, HealAfter: time.Minute, HealShare: 34, HealPerHour: 5}, Health: KubernetesConfig{HealthInterval: time.Nanosecond},
		Store: store, Sights: sights, ApproveServing: func(context.Context, *db.Snapshot) error { return nil }, Jitter: func() float64 { return 0 }, NewUUID: uuid.NewString, Log: zap.NewNop()}
	look := func(n int) {
		for done := 0; done < n; {
			k, err := w.ProcessHealth(b.Context())
			if err != nil || k == 0 {
				b.Fatalf("%d looks, %v", k, err)
			}
			done += k
		}
	}
	look(2 * clusters) // the first finds them, and makes the connections
	began := cpu(b)
	b.ResetTimer()
	look(b.N)
	b.ReportMetric(float64((cpu(b)-began).Microseconds())/float64(b.N), "cpu-µs/look")
}

func idle(b testing.TB, store *db.Store, i int, nodes []string) string {
	b.Helper()
	template, address, now := dbtest.Template(b, store, "p"), "https://127.0.0.1", time.Now()
	c := &db.Cluster{UUID: uuid.NewString(), ProjectID: "p", UserID: "u", Name: fmt.Sprint("c", i), ClusterTemplateID: template, Status: "CREATE_COMPLETE", APIAddress: &address, CreatedAt: now}
	var groups []*db.NodeGroup
	for _, role := range []string{db.RoleMaster, db.RoleWorker} {
		groups = append(groups, &db.NodeGroup{UUID: uuid.NewString(), ClusterUUID: c.UUID, ProjectID: "p", Name: "default-" + role, Role: role, NodeCount: 3, CreatedAt: now})
	}
	op := &db.Operation{UUID: uuid.NewString(), ClusterUUID: c.UUID, ProjectID: "p", Kind: "cluster.create", Scope: db.ScopeCluster, Status: db.OpComplete, CreatedAt: now}
	if err := store.CreateCluster(context.Background(), c, groups, op, 10000); err != nil {
		b.Fatal(err)
	}
	err := store.ChangeCluster(context.Background(), c.UUID, func(s *db.Snapshot) error {
		for k, name := range nodes {
			s.Nodes = append(s.Nodes, &db.Node{UUID: uuid.NewString(), ClusterUUID: c.UUID, NodeGroupUUID: groups[k/3].UUID, Name: name, State: db.NodeWanted, Ready: true,
				Conditions: db.Conditions{{Type: "Ready", Status: "True"}}, CreatedAt: now})
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return c.UUID
}

func pair(b *testing.B) (cert, key []byte) {
	b.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, k.Public(), k)
	if err != nil {
		b.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		b.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// cpu that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
