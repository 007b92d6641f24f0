package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
)

// tokenTTL outlives the slowest deploy: bare metal takes half an hour, and may be tried again.
const tokenTTL = 24 * time.Hour

// host is the machine that a node's row stands for.
func (w *work) host(g *db.NodeGroup, n *db.Node) (drivers.Host, error) {
	var spec ops.GroupSpec
	if err := json.Unmarshal(orEmpty(g.Spec), &spec); err != nil {
		return drivers.Host{}, &drivers.Fault{Class: drivers.ClassInternal, Err: fmt.Errorf("reading the spec of node group %s: %w", g.Name, err)}
	}
	h := drivers.Host{Name: n.Name, NodeGroup: g.Name, ControlPlane: g.Role == db.RoleMaster, FlavorID: spec.FlavorID, ImageID: spec.ImageID,
		BootVolumeSize: spec.BootVolumeSize, BootVolumeType: spec.BootVolumeType, DockerVolumeType: spec.DockerVolumeType,
		ResourceClass: spec.ResourceClass, Traits: spec.Traits, RootDevice: spec.RootDevice}
	if g.DockerVolumeSize != nil {
		h.DockerVolumeSize = *g.DockerVolumeSize
	}
	if zones := spec.AvailabilityZones; len(zones) > 0 {
		h.AvailabilityZone = zones[w.position(n)%len(zones)]
	}
	return h, nil
}

// position of a node among those of its group.
func (w *work) position(n *db.Node) int {
	i := 0
	for _, x := range w.s.Nodes {
		if x.Name == n.Name {
			break
		}
		if x.NodeGroupUUID == n.NodeGroupUUID {
			i++
		}
	}
	return i
}

// ensureHost asks for a host with its user data. What is rendered is only needed for the request itself.
func (w *work) ensureHost(ctx context.Context, g *db.NodeGroup, n *db.Node) drivers.Result {
	m, err := w.machines(g)
	if err != nil {
		return drivers.FromError(err)
	}
	h, err := w.host(g, n)
	if err != nil {
		return drivers.FromError(err)
	}
	return m.EnsureHost(ctx, w.site, h, w.userDataOf(g, n, n.First))
}

// userDataOf a node's host, for when its driver wants it. Init: it starts the cluster.
func (w *work) userDataOf(g *db.NodeGroup, n *db.Node, init bool) drivers.UserData {
	return func(ctx context.Context) ([]byte, error) {
		data, err := w.userData(ctx, g, n, init)
		return data, userDataFault(err)
	}
}

// userDataFault: what the renderer refuses stays refused.
func userDataFault(err error) error {
	var invalid *userdata.InvalidError
	var size *userdata.SizeError
	if errors.As(err, &invalid) || errors.As(err, &size) || errors.Is(err, userdata.ErrUnsupportedDistro) || errors.Is(err, userdata.ErrUnsupportedVersion) {
		return &drivers.Fault{Class: drivers.ClassUser, Err: fmt.Errorf("bootstrap: %w", err)}
	}
	return err
}

func (w *work) userData(ctx context.Context, g *db.NodeGroup, n *db.Node, init bool) ([]byte, error) {
	spec := groupSpec(g)
	address, _, ok := w.endpoint()
	if !ok {
		return nil, errors.New("the address of the Kubernetes API is not known yet")
	}
	token, err := w.secret(ctx, ops.SecretJoinToken)
	if err != nil {
		return nil, err
	}
	all, nodeTaints := w.dress(g, n)
	labels, _ := userdata.SplitLabels(all)
	h := userdata.Host{Name: n.Name, Role: userdata.RoleWorker, Distro: spec.Distro, ClusterName: w.s.Cluster.StackID, KubernetesVersion: w.version(g),
		ControlPlaneEndpoint: net.JoinHostPort(address, strconv.Itoa(w.spec.APIPort)), APIServerCertSANs: w.certSANs(), PodSubnet: w.spec.PodCIDR, ServiceSubnet: w.spec.ServiceCIDR,
		DNSDomain: w.spec.DNSDomain, BootstrapToken: string(token.Passphrase), TokenTTL: tokenTTL, NodeLabels: labels, NodeTaints: taints(nodeTaints),
		Runtime: ops.SandboxOf(g), Authorities: w.e.Authorities, NTPServers: w.spec.NTPServers, RoutedPods: w.spec.PodNetworkMode == ops.PodsRouted, CloudProviderExternal: w.spec.Has(ops.AddonCloudProvider), ImageRepository: w.spec.ImageRepository, Proxy: userdata.Proxy{HTTP: w.spec.HTTPProxy, HTTPS: w.spec.HTTPSProxy, No: split(w.spec.NoProxy)}}
	if r, ok := drivers.HostOf(w.l, n.Name); ok && r.Kind == drivers.KindAllocation && r.ID != "" {
		// Nova has no server of it, so no cloud controller manager would ever find it.
		h.ProviderID, h.CloudProviderExternal = ops.MachineScheme+r.ID, false
	}
	if w.s.Cluster.SSHPublicKey != nil {
		h.SSHKeys = []string{strings.TrimSpace(*w.s.Cluster.SSHPublicKey)}
	}
	if h.ClusterCA, err = w.trusted(ctx, ops.SecretCA); err != nil {
		return nil, err
	}
	if g.Role == db.RoleMaster {
		h.Role = userdata.RoleControlPlane
		if init {
			h.Role = userdata.RoleInit
		}
		if w.spec.Has(ops.AddonKeystoneAuth) {
			h.TokenReviewURL = w.spec.ContainerInfraURL + ops.TokenReviewPath(w.s.Cluster.UUID)
			if len(w.e.Authorities) == 0 { // which hosts trust for whatever the cloud has
				h.TokenReviewCA = w.e.Addons.CA
			}
		}
		if h.PKI, err = w.controlPlanePKI(ctx); err != nil {
			return nil, err
		}
	}
	return userdata.Render(h)
}

// dress gives the labels and taints of a group's node: what its group gives it, and what it is.
func (w *work) dress(g *db.NodeGroup, n *db.Node) (map[string]string, []db.Taint) {
	given, nodeTaints := ops.Dress(g)
	labels := map[string]string{ops.ServerTypeLabel: "vm"}
	if spec := groupSpec(g); spec.ResourceClass != "" {
		labels[ops.ServerTypeLabel], labels[ops.ResourceClassLabel] = "bm", ops.LabelValue(spec.ResourceClass)
		for _, t := range spec.Traits {
			labels[ops.TraitLabelPrefix+ops.LabelValue(t)] = "true"
		}
		if r, ok := drivers.HostOf(w.l, n.Name); ok && r.Attrs[drivers.AttrRack] != "" {
			labels[ops.RackLabel] = ops.LabelValue(r.Attrs[drivers.AttrRack])
		}
	}
	maps.Copy(labels, given)
	return labels, nodeTaints
}

func (w *work) controlPlanePKI(ctx context.Context) (*userdata.PKI, error) {
	var p userdata.PKI
	for name, into := range map[string]*userdata.KeyPair{ops.SecretCA: &p.CA, ops.SecretEtcdCA: &p.EtcdCA, ops.SecretFrontProxyCA: &p.FrontProxyCA} {
		b, err := w.secret(ctx, name)
		if err != nil {
			return nil, err
		}
		trusted, err := w.trusted(ctx, name)
		if err != nil {
			return nil, err
		}
		*into = userdata.KeyPair{Certificate: trusted, PrivateKey: b.PrivateKey}
		if name == ops.SecretCA {
			p.SigningCA = b.Certificate
		}
	}
	sa, err := w.secret(ctx, ops.SecretServiceAccount)
	if err != nil {
		return nil, err
	}
	p.ServiceAccountPublic, p.ServiceAccountPrivate = sa.Certificate, sa.PrivateKey
	key, err := w.secret(ctx, ops.SecretEncryptionKey)
	p.EncryptionKey = key.Passphrase
	return &p, err
}

// certSANs are the names and addresses under which the API is reached from outside.
func (w *work) certSANs() []string {
	sans := append([]string{}, w.spec.APICertSANs...)
	if public, ok := w.publicAddress(); ok {
		sans = append(sans, public)
	}
	return sans
}

func taints(of []db.Taint) []userdata.Taint {
	var l []userdata.Taint
	for _, t := range of {
		l = append(l, userdata.Taint(t))
	}
	return l
}

func split(list string) []string {
	var out []string
	for _, s := range strings.Split(list, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// ensureMembers makes these control planes, and no others, those behind the load balancer.
func (w *work) ensureMembers(ctx context.Context, nodes []*db.Node) drivers.Result {
	addresses := make([]string, 0, len(nodes))
	for _, n := range nodes {
		r, ok := w.l.Find(drivers.KindPort, n.Name)
		if !ok || r.Attrs[drivers.AttrAddress] == "" {
			return drivers.Failed(drivers.ClassInternal, "control plane %s has no address", n.Name)
		}
		addresses = append(addresses, r.Attrs[drivers.AttrAddress])
	}
	return w.e.Infra.EnsureMembers(ctx, w.site, addresses)
}
