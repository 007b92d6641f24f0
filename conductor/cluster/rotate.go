package cluster

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

// rolloutPatience is how long the cluster's own pods are waited for that start again to know the new authority.
const rolloutPatience = 10 * time.Minute

// rotateCA replaces the authorities of cluster, etcd and front proxy, and everything that they have signed, while the API
// stays. The key of service accounts stays as well: it signs no certificates, nobody but the API servers has it, and
// another one would end every token in the cluster.
//
//	trust   every host knows both authorities; the old one signs
//	issue   the new one signs; whoever shows a certificate to the API or to etcd gets a new one
//	drop    API servers show new certificates, then every host forgets the old authority
//
// API servers and etcd are restarted where they are to believe others, not for what they show.
//
// Kubeconfigs of before work until the last phase; those that are made from the first phase on work all the time. What has
// been reached stands in the references of the secrets: a rotation that failed is asked for again and goes on in its phase.
func (b *builder) rotateCA() {
	w := b.w
	masters, workers := w.joined(db.RoleMaster), w.joined(db.RoleWorker)
	ready := b.add("Kubernetes API", deadlineCall, w.apiReady)
	tidy := b.add("earlier host commands are gone", deadlineCall, func(ctx context.Context) drivers.Result { return w.forgetCommands(ctx, "") }, ready)
	made := b.add("new authorities", deadlineCall, w.makeAuthorities, tidy)

	all := kube.Renewal{Components: kube.Components()}
	trusting := append(b.install(phaseTrust, "both authorities", all, masters, made), b.install(phaseTrust, "both authorities", all, workers, made)...)
	known := b.inPhase(phaseTrust, "cluster-info has both authorities", deadlineCall, func(ctx context.Context) drivers.Result { return w.publish(ctx, phaseTrust) }, trusting...)
	given := b.inPhase(phaseTrust, "pods are given both authorities", deadlineCommand, w.published, known)
	signs := b.add("the new authority signs", deadlineCall, w.switchAuthorities, given)

	issued := b.install(phaseIssue, "new certificates", kube.Renewal{Certificates: kube.CertificatesButAPIServer(), Components: kube.Controllers()}, masters, signs)
	token := b.inPhase(phaseIssue, joinTokenTask, deadlineCall, w.renewToken, issued...)
	kubelets := abreast(slices.Concat(masters, workers), []string{token}, func(n *db.Node, needs []string) string {
		client := b.inPhase(phaseIssue, "new certificate of the kubelet on "+n.Name, deadlineCommand, func(ctx context.Context) drivers.Result { return w.newKubeletCertificate(ctx, n) }, needs...)
		return b.inPhase(phaseIssue, "new serving certificate of the kubelet on "+n.Name, deadlineCommand, func(ctx context.Context) drivers.Result { return w.kubeletServesAnew(ctx, n) }, client)
	})
	const rollout = "the cluster's own pods know the new authority"
	since := w.state.Step(rollout).StartedAt
	rolled := b.inPhase(phaseIssue, rollout, rolloutPatience+deadlineCall, func(ctx context.Context) drivers.Result { return w.rollOut(ctx, since) }, kubelets...)

	served := oneByOne(masters, []string{rolled}, func(n *db.Node, needs []string) string {
		return b.inPhase(phaseDrop, "new certificate of the API on "+n.Name, deadlineCommand, func(ctx context.Context) drivers.Result { return w.serveAnew(ctx, n) }, needs...)
	})
	dropped := append(b.install(phaseDrop, "the new authority alone", all, masters, served...), b.install(phaseDrop, "the new authority alone", all, workers, served...)...)
	info := b.inPhase(phaseDrop, "cluster-info has the new authority alone", deadlineCall, func(ctx context.Context) drivers.Result { return w.publish(ctx, phaseDrop) }, dropped...)
	well := b.inPhase(phaseDrop, "every node is ready with the new authority", deadlineCommand, w.allReady, info)
	forgotten := b.add("the old authority is forgotten", deadlineCall, w.dropAuthorities, well)
	b.add("old keys are gone", deadlineGone, w.deleteOldAuthorities, forgotten)
	b.add("host commands are gone", deadlineCall, func(ctx context.Context) drivers.Result { return w.forgetCommands(ctx, w.run()) }, forgotten)
}

// phase of a rotation.
type phase string

const (
	phaseTrust phase = "trust"
	phaseIssue phase = "issue"
	phaseDrop  phase = "drop"
)

// inPhase adds a task that has nothing to do when its phase is over, or was before this operation.
func (b *builder) inPhase(p phase, name string, deadline time.Duration, run func(ctx context.Context) drivers.Result, needs ...string) string {
	kind := ops.Old
	if p == phaseTrust {
		kind = ops.Next
	}
	return b.add(name, deadline, func(ctx context.Context) drivers.Result {
		if !b.w.under(kind) {
			return drivers.Done()
		}
		return run(ctx)
	}, needs...)
}

// joined are the nodes of a role that are in the cluster.
func (w *work) joined(role string) []*db.Node {
	var l []*db.Node
	for _, n := range w.s.Nodes {
		if g := w.group(n.NodeGroupUUID); g != nil && n.State == db.NodeWanted && n.Ready && (g.Role == db.RoleMaster) == (role == db.RoleMaster) {
			l = append(l, n)
		}
	}
	return l
}

// install brings the authorities of a phase to hosts: control planes one after the other, each seen well before the next,
// workers side by side.
func (b *builder) install(p phase, what string, r kube.Renewal, nodes []*db.Node, needs ...string) []string {
	w := b.w
	add := func(n *db.Node, needs []string) string {
		if w.group(n.NodeGroupUUID).Role == db.RoleMaster {
			return b.restart(p, n, what, r, needs)
		}
		return b.inPhase(p, what+" on "+n.Name, deadlineCommand, func(ctx context.Context) drivers.Result {
			a, err := w.authorities(ctx, false, p)
			if err != nil {
				return drivers.FromError(err)
			}
			command, err := kube.InstallAuthorities(w.run(), string(p), n.Name, a, kube.Renewal{Kubelet: true})
			if err != nil {
				return drivers.FromError(err)
			}
			return w.onHost(ctx, command)
		}, needs...)
	}
	if len(nodes) > 0 && w.group(nodes[0].NodeGroupUUID).Role == db.RoleMaster {
		return oneByOne(nodes, needs, add)
	}
	return abreast(nodes, needs, add)
}

// restart installs what a control plane is to have in a phase, renews certificates, restarts components, and sees them run.
func (b *builder) restart(p phase, n *db.Node, what string, r kube.Renewal, needs []string) string {
	w := b.w
	r.Kubelet = true
	ran := b.inPhase(p, what+" on "+n.Name, deadlineCommand, func(ctx context.Context) drivers.Result {
		a, err := w.authorities(ctx, true, p)
		if err != nil {
			return drivers.FromError(err)
		}
		command, err := kube.InstallAuthorities(w.run(), string(p), n.Name, a, r)
		if err != nil {
			return drivers.FromError(err)
		}
		return w.onHost(ctx, command)
	}, needs...)
	return b.inPhase(p, "control plane "+n.Name+" is well with "+what, deadlineCommand, func(ctx context.Context) drivers.Result {
		return w.restarted(ctx, n, string(p), r.Components)
	}, ran)
}

// serveAnew has an API server show a certificate of the authority that signs now.
func (w *work) serveAnew(ctx context.Context, n *db.Node) drivers.Result {
	command, err := kube.InstallAuthorities(w.run(), "serve", n.Name, kube.Authorities{}, kube.Renewal{Certificates: []string{kube.CertificateAPIServer}, Shown: true})
	if err != nil {
		return drivers.FromError(err)
	}
	return w.onHost(ctx, command)
}

// publish tells joining hosts of the authorities of a phase.
func (w *work) publish(ctx context.Context, p phase) drivers.Result {
	ca, err := w.certificates(ctx, ops.SecretCA, p)
	if err != nil {
		return drivers.Transient(err)
	}
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	if err := c.SetClusterInfoCA(ctx, ca); err != nil {
		return drivers.Transient(err)
	}
	return drivers.Done()
}

// allReady is Done when every node that has joined is ready: a kubelet that does not find the API again is no good end.
func (w *work) allReady(ctx context.Context) drivers.Result {
	all, err := w.nodes(ctx)
	if err != nil {
		return drivers.Transient(err)
	}
	var waiting []string
	for _, n := range slices.Concat(w.joined(db.RoleMaster), w.joined(db.RoleWorker)) {
		if !all[n.Name].Ready {
			waiting = append(waiting, n.Name)
		}
	}
	if len(waiting) > 0 {
		return drivers.Continue(drivers.PollInterval, "nodes to be ready: %s", some(waiting))
	}
	return drivers.Done()
}

// published is Done when pods that start are given both authorities.
func (w *work) published(ctx context.Context) drivers.Result {
	ca, err := w.trusted(ctx, ops.SecretCA)
	if err != nil {
		return drivers.Transient(err)
	}
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	switch ok, err := c.PodsTrust(ctx, ca); {
	case err != nil:
		return drivers.Transient(err)
	case !ok:
		return drivers.Continue(drivers.PollInterval, "the controller manager to hand both authorities to all namespaces")
	}
	return drivers.Done()
}

// newKubeletCertificate has a kubelet ask for a certificate of the authority that signs now.
func (w *work) newKubeletCertificate(ctx context.Context, n *db.Node) drivers.Result {
	address, _, ok := w.endpoint()
	if !ok {
		return drivers.Transient(errors.New("the address of the Kubernetes API is not known"))
	}
	ca, err := w.trusted(ctx, ops.SecretCA)
	if err != nil {
		return drivers.FromError(err)
	}
	token, err := w.secret(ctx, ops.SecretJoinToken)
	if err != nil {
		return drivers.FromError(err)
	}
	endpoint := "https://" + net.JoinHostPort(address, strconv.Itoa(w.spec.APIPort))
	command, err := kube.NewKubeletCertificate(w.run(), "kubelet", n.Name, endpoint, ca, string(token.Passphrase))
	if err != nil {
		return drivers.FromError(err)
	}
	return w.onHost(ctx, command)
}

// rollOut makes the pods of kube-system anew: programs that read the authorities only once, as most did before Kubernetes
// 1.36, would not find the API again. Those that do not come up in time are not waited for: they did not run before either.
func (w *work) rollOut(ctx context.Context, since time.Time) drivers.Result {
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	left, err := c.RestartWorkloads(ctx, w.run())
	switch {
	case err != nil:
		return drivers.Transient(err)
	case len(left) == 0 || !since.IsZero() && w.e.clock().Sub(since) >= rolloutPatience:
		return drivers.Done()
	}
	return drivers.Continue(drivers.PollInterval, "%s to start again", some(left))
}

// renewCertificates replaces what the authorities have signed on the control planes, one after the other.
func (b *builder) renewCertificates() {
	w := b.w
	ready := b.add("Kubernetes API", deadlineCall, w.apiReady)
	tidy := b.add("earlier host commands are gone", deadlineCall, func(ctx context.Context) drivers.Result { return w.forgetCommands(ctx, "") }, ready)
	last := oneByOne(w.joined(db.RoleMaster), []string{tidy}, func(n *db.Node, needs []string) string {
		ran := b.add("new certificates on "+n.Name, deadlineCommand, func(ctx context.Context) drivers.Result {
			command, err := kube.InstallAuthorities(w.run(), "renew", n.Name, kube.Authorities{}, kube.Renewal{Certificates: []string{kube.CertificatesAll}, Components: kube.Components()})
			if err != nil {
				return drivers.FromError(err)
			}
			return w.onHost(ctx, command)
		}, needs...)
		return b.add("control plane "+n.Name+" is well", deadlineCommand, func(ctx context.Context) drivers.Result {
			return w.restarted(ctx, n, "renew", kube.Components())
		}, ran)
	})
	b.add("host commands are gone", deadlineCall, func(ctx context.Context) drivers.Result { return w.forgetCommands(ctx, w.run()) }, last...)
}
