package cluster

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

// etcd gives what it takes to talk to the cluster's etcd through its Kubernetes API, once per slice.
func (w *work) etcd(ctx context.Context) (*kube.Client, kube.EtcdAccess, error) {
	c, err := w.kube(ctx)
	if err != nil {
		return nil, kube.EtcdAccess{}, err
	}
	access, err := drivers.Once(w.site.Memo, "etcd", func() (kube.EtcdAccess, error) {
		ca, err := w.secret(ctx, ops.SecretEtcdCA)
		if err != nil {
			return kube.EtcdAccess{}, err
		}
		trusted, err := w.trusted(ctx, ops.SecretEtcdCA)
		if err != nil {
			return kube.EtcdAccess{}, err
		}
		cert, key, err := clientCertificate(ca, w.e.Now())
		return kube.EtcdAccess{CA: trusted, ClientCert: cert, ClientKey: key}, err
	})
	return c, access, err
}

// removeEtcdMember takes a control plane's member out of etcd, unless etcd would lose its quorum with it.
func (w *work) removeEtcdMember(ctx context.Context, n *db.Node) drivers.Result {
	c, access, err := w.etcd(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	err = c.RemoveEtcdMember(ctx, access, n.Name, n.Addresses...)
	var quorum *kube.EtcdQuorumError
	switch {
	case errors.As(err, &quorum):
		w.helpQuorum(ctx, n, c, access)
		return drivers.Continue(drivers.PollInterval, "etcd to have a quorum without %s: %s", n.Name, short(err))
	case err != nil:
		return drivers.Transient(fmt.Errorf("removing the etcd member %s: %w", n.Name, err))
	}
	return drivers.Done()
}

// helpQuorum does what may let etcd part with a member: nobody sees how the members of new hosts are before their kubelets
// have serving certificates, and of hosts that never came to life and go too, one may be the member that is down. What it
// cannot do is tried again as long as there is no quorum.
func (w *work) helpQuorum(ctx context.Context, n *db.Node, c *kube.Client, access kube.EtcdAccess) {
	w.letSee(ctx)
	for _, x := range w.nodesOf(db.NodeRemoving, w.controlPlanes()...) {
		if x.UUID == n.UUID || x.Ready {
			continue
		}
		if err := c.RemoveEtcdMember(ctx, access, x.Name, x.Addresses...); err != nil {
			log.From(ctx).Debug("another etcd member was not removed first", zap.String("node", x.Name), zap.Error(err))
		}
	}
}

// letSee gives kubelets the serving certificates that they ask for: members of etcd are asked through them. A conductor that
// dies may have had one ask for another, and not have lived to write down that etcd was whole before.
func (w *work) letSee(ctx context.Context) {
	if _, err := w.approveServing(ctx); err != nil {
		log.From(ctx).Warn("kubelets were given no serving certificates", zap.Error(err))
	}
}

// etcdWhole is Done when etcd has exactly these members and all are well.
func (w *work) etcdWhole(ctx context.Context, members []*db.Node) drivers.Result {
	c, access, err := w.etcd(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	names := make([]string, 0, len(members))
	for _, n := range members {
		names = append(names, n.Name)
	}
	if err := c.EtcdHealthy(ctx, access, names); err != nil {
		w.letSee(ctx)
		return drivers.Continue(w.soon(), "etcd to be whole: %s", short(err))
	}
	return drivers.Done()
}
