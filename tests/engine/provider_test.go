package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

const cinder = "/volume/v3/"

// cleanup is the finalizer by which the cloud controller manager keeps a Service until its load balancer is gone.
const cleanup = "service.kubernetes.io/load-balancer-cleanup"

// provider plays cloud-provider-openstack in a cluster, through the APIs of the cluster and of the cloud: what it makes has
// the names, descriptions and metadata that its controller manager and its volume driver give.
type provider struct {
	person
	name   string // of the cluster, as both are told
	kube   *kubernetes.Clientset
	subnet string
	port   string // of a worker
	public string
	made   map[string]exposed // by Service
}

// exposed is what a Service has in the cloud.
type exposed struct{ balancer, ip, group string }

// provider starts nothing: without release nobody takes away what it made.
func (b *bed) provider(id string) *provider {
	b.t.Helper()
	v, err := b.store.Cluster(context.Background(), id, "")
	if err != nil {
		b.t.Fatal(err)
	}
	ca, err := b.rows().Get(context.Background(), certmanager.Owner{ClusterUUID: v.UUID, ProjectID: v.ProjectID}, v.SecretRefs[ops.SecretCA])
	if err != nil {
		b.t.Fatal(err)
	}
	csr, key := adminRequest(b.t)
	cert, err := pki.SignCSR(ca, csr, pki.Options{TermOfValidity: time.Hour, Source: pki.Source{Now: time.Now(), Rand: rand.Reader}})
	if err != nil {
		b.t.Fatal(err)
	}
	k, err := kubernetes.NewForConfig(&rest.Config{Host: *v.APIAddress, Timeout: 20 * time.Second, TLSClientConfig: rest.TLSClientConfig{CAData: ca.Certificate, CertData: cert, KeyData: key}})
	if err != nil {
		b.t.Fatal(err)
	}
	ports := b.recorded(id, drivers.KindPort)
	return &provider{person: b.person("demo"), name: v.StackID, kube: k, subnet: b.recorded(id, drivers.KindSubnet)[0].CloudID, port: ports[len(ports)-1].CloudID,
		public: b.network("public"), made: map[string]exposed{}}
}

// service makes a Service of type LoadBalancer and gives it what the controller manager gives it.
func (p *provider) service(name string) {
	t := p.b.t
	t.Helper()
	x, err := p.kube.CoreV1().Services("default").Create(context.Background(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name, Finalizers: []string{cleanup}},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: 80}}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.made[name] = p.expose(p.name, name, string(x.UID))
}

// expose makes what a Service of a cluster of that name has in the cloud.
func (p *provider) expose(cluster, name, uid string) exposed {
	p.b.t.Helper()
	lb := fmt.Sprintf("kube_service_%s_default_%s", cluster, name)
	x := exposed{balancer: p.make(octavia+"loadbalancers", "loadbalancer", map[string]any{"name": lb, "tags": []string{lb}, "vip_subnet_id": p.subnet,
		"description": "Kubernetes external service default/" + name + " from cluster " + cluster})}
	p.settled(x.balancer)
	var vip struct {
		LoadBalancer struct {
			Port string `json:"vip_port_id"`
		} `json:"loadbalancer"`
	}
	p.must(http.MethodGet, octavia+"loadbalancers/"+x.balancer, nil, &vip)
	x.ip = p.make(neutron+"floatingips", "floatingip", map[string]any{"floating_network_id": p.public, "port_id": vip.LoadBalancer.Port,
		"description": "Floating IP for Kubernetes external service default/" + name + " from cluster " + cluster})
	x.group = p.make(neutron+"security-groups", "security_group", map[string]any{"name": "lb-sg-" + uid + "-default-" + name,
		"description": "Security Group for default/" + name + " Service LoadBalancer in cluster " + cluster})
	p.groups(func(l []string) []string { return append(l, x.group) })
	return x
}

// groups changes the security groups of the worker.
func (p *provider) groups(change func([]string) []string) {
	p.b.t.Helper()
	var port struct {
		Port struct {
			Groups []string `json:"security_groups"`
		} `json:"port"`
	}
	p.must(http.MethodGet, neutron+"ports/"+p.port, nil, &port)
	p.must(http.MethodPut, neutron+"ports/"+p.port, map[string]any{"port": map[string]any{"security_groups": change(port.Port.Groups)}}, nil)
}

// settled waits until a load balancer is built; one that is stuck is not waited for.
func (p *provider) settled(id string) {
	p.b.t.Helper()
	testenv.Eventually(p.b.t, eventually, "load balancer "+id, func() bool {
		var x struct {
			LoadBalancer struct {
				Status string `json:"provisioning_status"`
			} `json:"loadbalancer"`
		}
		return p.do(http.MethodGet, octavia+"loadbalancers/"+id, nil, &x) == http.StatusNotFound || x.LoadBalancer.Status == "ACTIVE"
	})
}

// release takes the load balancers of deleted Services away, as the controller manager does, until the test ends.
func (p *provider) release() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	p.b.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		ticks := time.NewTicker(50 * time.Millisecond)
		defer ticks.Stop()
		for ctx.Err() == nil {
			<-ticks.C
			l, err := p.kube.CoreV1().Services("").List(ctx, metav1.ListOptions{})
			if err != nil { // the hosts are gone
				continue
			}
			for i := range l.Items {
				if s := &l.Items[i]; s.DeletionTimestamp != nil && slices.Contains(s.Finalizers, cleanup) {
					p.withdraw(ctx, s)
				}
			}
		}
	}()
}

func (p *provider) withdraw(ctx context.Context, s *corev1.Service) {
	x := p.made[s.Name]
	p.do(http.MethodDelete, neutron+"floatingips/"+x.ip, nil, nil)
	p.do(http.MethodDelete, octavia+"loadbalancers/"+x.balancer+"?cascade=true", nil, nil)
	if p.do(http.MethodGet, octavia+"loadbalancers/"+x.balancer, nil, nil) != http.StatusNotFound {
		return
	}
	p.groups(func(l []string) []string { return slices.DeleteFunc(l, func(g string) bool { return g == x.group }) })
	p.do(http.MethodDelete, neutron+"security-groups/"+x.group, nil, nil)
	s.Finalizers = nil
	if _, err := p.kube.CoreV1().Services(s.Namespace).Update(ctx, s, metav1.UpdateOptions{}); err != nil {
		p.b.t.Errorf("letting Service %s go: %v", s.Name, err)
	}
}

// volume makes what a PersistentVolumeClaim has in the cloud, and a snapshot of it.
func (p *provider) volume(cluster, name string) (volume, snapshot string) {
	p.b.t.Helper()
	metadata := map[string]any{"cinder.csi.openstack.org/cluster": cluster}
	volume = p.make(cinder+p.b.project+"/volumes", "volume", map[string]any{"name": name, "size": 1, "metadata": metadata})
	testenv.Eventually(p.b.t, eventually, "volume "+name, func() bool {
		var x struct{ Volume struct{ Status string } }
		p.must(http.MethodGet, cinder+p.b.project+"/volumes/"+volume, nil, &x)
		return x.Volume.Status == "available"
	})
	return volume, p.make(cinder+p.b.project+"/snapshots", "snapshot", map[string]any{"name": "of-" + name, "volume_id": volume, "metadata": metadata})
}

// inUse makes a cluster with a Service and a volume.
func inUse(t *testing.T, policy string, haste int) (*bed, string, *provider) {
	t.Helper()
	b := newBed(t, sim.Options{Speed: 100})
	c := b.conductor("one")
	hasten(t, c, haste)
	b.run(c)
	id := b.completed(order{name: "dev", masters: 1, workers: 1, loadBalancer: true, cluster: func(s *ops.ClusterSpec) { s.VolumeDeletePolicy = policy }})
	return b, id, b.provider(id)
}
