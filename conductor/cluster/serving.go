package cluster

import (
	"context"
	"net/url"

	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

// servingAddresses are those that the kubelets of nodes may have certificates for: what the cloud gave their hosts, as long as
// there is a host. The only control plane of a cluster without a load balancer has the API's floating IP, too.
func servingAddresses(s *db.Snapshot, ofHost func(*db.Node) string, api string) map[string][]string {
	out := map[string][]string{}
	for _, n := range s.Nodes {
		address := ofHost(n)
		if address == "" {
			continue
		}
		out[n.Name] = []string{address}
		if n.First && !s.Cluster.MasterLBEnabled && api != "" && api != address {
			out[n.Name] = append(out[n.Name], api)
		}
	}
	return out
}

// approveServing approves the requests of kubelets for serving certificates, once per slice.
func (w *work) approveServing(ctx context.Context) (kube.Serving, error) {
	return drivers.Once(w.site.Memo, "serving", func() (kube.Serving, error) {
		c, err := w.kube(ctx)
		if err != nil {
			return kube.Serving{}, err
		}
		api, _ := w.publicAddress()
		return c.ApproveServing(ctx, servingAddresses(w.s, func(n *db.Node) string {
			r, _ := w.l.Find(drivers.KindPort, n.Name)
			return r.Attrs[drivers.AttrAddress]
		}, api))
	})
}

// kubeletServes is Done when the kubelet of a new node was given a serving certificate: without one nobody reads logs of its
// pods, runs anything in them or forwards their ports.
func (w *work) kubeletServes(ctx context.Context, n *db.Node) drivers.Result {
	if n.Ready && w.state.Steps[rebuildTask(n)] == nil { // it was given one then, and the request is gone
		return drivers.Done()
	}
	serving, err := w.approveServing(ctx)
	switch {
	case err != nil:
		return drivers.Transient(err)
	case serving.Issued[n.Name] != nil:
		return drivers.Done()
	case serving.Refused[n.Name] != "":
		return drivers.Continue(drivers.PollInterval, "the kubelet of %s to ask for a serving certificate that it may have: %s", n.Name, serving.Refused[n.Name])
	}
	return drivers.Continue(w.soon(), "the serving certificate of the kubelet of %s", n.Name)
}

// forgetServing of a node that is about to be made anew under its name.
func (w *work) forgetServing(ctx context.Context, n *db.Node) drivers.Result {
	c, err := w.kube(ctx)
	if err == nil {
		err = c.ForgetServing(ctx, n.Name)
	}
	if err != nil {
		return drivers.Transient(err)
	}
	return drivers.Done()
}

// kubeletServesAnew is Done when a kubelet was given a serving certificate of the authority that signs now.
func (w *work) kubeletServesAnew(ctx context.Context, n *db.Node) drivers.Result {
	serving, err := w.approveServing(ctx)
	if err != nil {
		return drivers.Transient(err)
	}
	ca, err := w.secret(ctx, ops.SecretCA)
	if err != nil {
		return drivers.Transient(err)
	}
	if issued := serving.Issued[n.Name]; issued != nil && pki.IssuedBy(issued, ca.Certificate) {
		return drivers.Done()
	}
	return drivers.Continue(drivers.PollInterval, "the serving certificate of the kubelet of %s %s", n.Name, serving.Refused[n.Name])
}

// ApproveServing approves the requests of kubelets that renew their serving certificates, between operations.
func (e *Executor) ApproveServing(ctx context.Context, s *db.Snapshot) error {
	c, err := e.onlooker(ctx, s.Cluster)
	if err != nil {
		return err
	}
	api := ""
	if u, err := url.Parse(*s.Cluster.APIAddress); err == nil {
		api = u.Hostname()
	}
	serving, err := c.ApproveServing(ctx, servingAddresses(s, func(n *db.Node) string {
		if len(n.Addresses) == 0 {
			return ""
		}
		return n.Addresses[0]
	}, api))
	for node, why := range serving.Refused {
		log.From(ctx).Warn("a request for a serving certificate was not approved", zap.String("node", node), zap.String("reason", why))
	}
	return err
}
