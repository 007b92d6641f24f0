package cluster

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// ofCoreDNS selects its pods, as kubeadm labels them.
const ofCoreDNS = "k8s-app=kube-dns"

// spreadDNS, wherever nodes came: the pods of CoreDNS start together on the first node that is ready, and would go together
// with it. They ask not to share a node, but nobody moves a pod that runs.
func (b *builder) spreadDNS() {
	if ready := b.readyTasks(); len(ready) > 0 {
		b.add("CoreDNS on more than one node", deadlineCall, b.w.spreadDNS, ready...)
	}
}

func (w *work) spreadDNS(ctx context.Context) drivers.Result {
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	if err := c.Spread(ctx, metav1.NamespaceSystem, ofCoreDNS); err != nil {
		return drivers.Transient(err)
	}
	return drivers.Done()
}
