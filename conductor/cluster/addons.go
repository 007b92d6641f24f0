package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/addons"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

// AddonSources is what add-ons are made of beside the cluster itself.
type AddonSources struct {
	Catalogue *addons.Catalogue // nil: there is none
	Fetcher   *addons.Fetcher
	// AuthURL, Region and CA are how what runs in clusters reaches the cloud.
	AuthURL string
	Region  string
	CA      []byte
	// UserDomain is the name of the domain of the clusters' users.
	UserDomain string
	// KeystoneRoles are what those may do who come with tokens of Keystone.
	KeystoneRoles []addons.RoleBinding
}

// deadlineRunning is how long the pods of an add-on may take to be pulled and to start.
const deadlineRunning = 20 * time.Minute

// wantedAddons are those of the cluster, in the order in which they are applied: what every cluster has comes first.
func (w *work) wantedAddons() []string {
	names := []string{addons.CoreDNS}
	if w.spec.ActsInCloud() {
		names = append(names, addons.CloudConfig)
	}
	for _, a := range ops.Addons() {
		if w.spec.Has(a.Name) {
			names = append(names, a.Name)
		}
	}
	return names
}

// applyAddons adds a task for each add-on, side by side but for what they log in with, and gives them all.
func (b *builder) applyAddons(needs ...string) []string {
	w := b.w
	var done []string
	for _, name := range w.wantedAddons() {
		needs := slices.Clip(needs)
		if b.has[applyTask(addons.CloudConfig)] {
			needs = append(needs, applyTask(addons.CloudConfig))
		}
		done = append(done, b.add(applyTask(name), deadlineCall, func(ctx context.Context) drivers.Result { return w.applyAddon(ctx, name) }, needs...))
	}
	return done
}

// makingReady are the tasks for add-ons that nodes wait for: the network, and who initializes them.
func (b *builder) makingReady() []string {
	var l []string
	for _, name := range []string{ops.AddonNetwork, ops.AddonCloudProvider} {
		if b.has[applyTask(name)] {
			l = append(l, applyTask(name))
		}
	}
	return l
}

func applyTask(addon string) string { return "add-on " + addon }

// awaitAddons waits until the pods of add-ons run. Without workers nobody does: most pods do not go to a control plane.
func (b *builder) awaitAddons(needs ...string) []string {
	w := b.w
	if len(w.joiningWorkers()) == 0 {
		return needs
	}
	var done []string
	for _, name := range w.wantedAddons() {
		if name != addons.CloudConfig && name != addons.CoreDNS { // neither has pods of its own
			done = append(done, b.add("add-on "+name+" runs", deadlineRunning, func(ctx context.Context) drivers.Result { return w.addonRuns(ctx, name) }, needs...))
		}
	}
	return done
}

func (w *work) joiningWorkers() []*db.Node {
	var workers []*db.NodeGroup
	for _, g := range w.s.NodeGroups {
		if g.Role != db.RoleMaster {
			workers = append(workers, g)
		}
	}
	return w.nodesOf(db.NodeWanted, workers...)
}

// pruneAddons takes away what the cluster's add-ons do not have any more.
func (b *builder) pruneAddons(needs ...string) string {
	return b.add("add-ons that were turned off are gone", deadlineCall, b.w.pruneAddons, needs...)
}

// updateAddons brings add-ons in line with the cluster's labels.
func (b *builder) updateAddons() {
	ready := b.add("Kubernetes API", deadlineCall, b.w.apiReady)
	applied := b.applyAddons(ready)
	b.pruneAddons(append(applied, ready)...)
	b.awaitAddons(append(applied, ready)...)
}

// renewAddons gives add-ons that act in the cloud the present credential, where there are any, and sees them run with it.
func (b *builder) renewAddons(needs ...string) []string {
	if !b.w.spec.ActsInCloud() {
		return needs
	}
	return b.awaitAddons(b.applyAddons(needs...)...)
}

// upgradeAddons brings them to the version of the control plane, before any worker has it.
func (b *builder) upgradeAddons(needs []string) []string {
	return []string{b.pruneAddons(b.applyAddons(needs...)...)}
}

// readyTasks are those that see nodes ready.
func (b *builder) readyTasks() []string {
	var l []string
	for _, n := range b.w.s.Nodes {
		if b.has[readyTask(n)] {
			l = append(l, readyTask(n))
		}
	}
	return l
}

func (w *work) applyAddon(ctx context.Context, name string) drivers.Result {
	objects, err := w.addonObjects(ctx, name, true)
	if err != nil {
		return drivers.FromError(err)
	}
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	if err := c.ApplyObjects(ctx, objects, addons.ManagedBy); err != nil {
		return drivers.Transient(err)
	}
	return drivers.Done()
}

func (w *work) addonRuns(ctx context.Context, name string) drivers.Result {
	objects, err := w.addonObjects(ctx, name, false)
	if err != nil {
		return drivers.FromError(err)
	}
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	switch waiting, err := c.NotRunning(ctx, objects); {
	case err != nil:
		return drivers.Transient(err)
	case len(waiting) > 0:
		return drivers.Continue(drivers.PollInterval, "%s", some(waiting))
	}
	return drivers.Done()
}

// ofAddons selects what is of add-ons in a cluster.
const ofAddons = addons.ManagedLabel + "=" + addons.ManagedBy + "," + addons.Label

// allAddonObjects are those of all add-ons of the cluster.
func (w *work) allAddonObjects(ctx context.Context) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, name := range w.wantedAddons() {
		objects, err := w.addonObjects(ctx, name, true)
		if err != nil {
			return nil, err
		}
		all = append(all, objects...)
	}
	return all, nil
}

// pruneAddons knows what is wanted by rendering it: no list of what was applied has to be kept, or can be lost.
func (w *work) pruneAddons(ctx context.Context) drivers.Result {
	objects, err := w.allAddonObjects(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	wanted := map[string]bool{}
	for _, o := range objects {
		wanted[kube.Identity(o)] = true
	}
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	switch gone, err := c.Prune(ctx, ofAddons, func(o *unstructured.Unstructured) bool { return wanted[kube.Identity(o)] }); {
	case err != nil:
		return drivers.Transient(err)
	case gone > 0: // look again: something may have come up meanwhile
		return drivers.Continue(0, "%d objects of add-ons to go", gone)
	}
	return drivers.Done()
}

// addonObjects renders an add-on for the cluster as it is to be, once per slice. Whoever only waits for its pods does
// without classes of volumes, for which the cloud is asked.
func (w *work) addonObjects(ctx context.Context, name string, classes bool) ([]*unstructured.Unstructured, error) {
	key := fmt.Sprintf("add-on %s for %s, %t", name, w.site.Credential.UserID, classes)
	return drivers.Once(w.site.Memo, key, func() ([]*unstructured.Unstructured, error) {
		c, err := w.addonCluster(ctx)
		if err == nil && classes {
			err = w.addStorage(ctx, name, &c)
		}
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(ops.Addons(), func(a ops.Addon) bool { return a.Name == name })
		if i < 0 || !ops.Addons()[i].Catalogued {
			return ours(addons.Render(c, name))
		}
		entry := w.spec.Entry(name)
		e, found := w.e.Addons.Catalogue.Find(entry, c.KubernetesVersion)
		if !found {
			return nil, &drivers.Fault{Class: drivers.ClassInternal, Err: fmt.Errorf("the catalogue of add-ons has no %s for Kubernetes %s", entry, c.KubernetesVersion)}
		}
		manifest, err := w.e.Addons.Fetcher.Fetch(ctx, e)
		if errors.Is(err, addons.ErrChecksum) {
			return ours(nil, err)
		}
		if err != nil {
			return nil, err
		}
		return ours(addons.RenderEntry(c, e, manifest))
	})
}

// ours: what cannot be rendered stays so until somebody mends the service.
func ours(objects []*unstructured.Unstructured, err error) ([]*unstructured.Unstructured, error) {
	if err != nil {
		return nil, &drivers.Fault{Class: drivers.ClassInternal, Err: err}
	}
	return objects, nil
}

// addonCluster is what add-ons are told of the cluster.
func (w *work) addonCluster(ctx context.Context) (addons.Cluster, error) {
	address, _, ok := w.endpoint()
	if !ok {
		return addons.Cluster{}, errors.New("the address of the Kubernetes API is not known")
	}
	version := w.spec.KubernetesVersion
	for _, g := range w.controlPlanes() {
		version = w.version(g)
	}
	from, credential := w.e.Addons, w.site.Credential
	_, subnet, _ := w.e.Infra.Network(ctx, w.site)
	c := addons.Cluster{Name: w.s.Cluster.StackID, KubernetesVersion: version, APIHost: address, APIPort: w.spec.APIPort,
		PodCIDR: w.spec.PodCIDR, ServiceCIDR: w.spec.ServiceCIDR, DNSDomain: w.spec.DNSDomain, ImagePrefix: w.spec.ImageRepository, Settings: w.spec.AddonSettings, KeystoneRoles: from.KeystoneRoles,
		Cloud: addons.Cloud{AuthURL: from.AuthURL, Region: from.Region, CA: from.CA, UserID: credential.UserID, UserName: w.userName(credential.UserID), Domain: from.UserDomain, Password: credential.Password, ProjectID: w.s.Cluster.ProjectID,
			SubnetID: subnet, ExternalNetworkID: w.spec.ExternalNetworkID, LBProvider: w.spec.LBProvider}}
	if w.spec.ActsInCloud() && credential.Password == "" {
		return c, &drivers.Fault{Class: drivers.ClassUser, Err: errors.New("this service acts with its own credential, which is put into no cluster")}
	}
	return c, nil
}

// userName is that of the service user with this id.
func (w *work) userName(id string) string {
	for _, r := range w.l.All() {
		if r.Kind == drivers.KindUser && r.ID == id {
			return r.Name
		}
	}
	return ""
}

// addStorage asks the cloud for what kinds of storage an add-on makes classes of.
func (w *work) addStorage(ctx context.Context, addon string, c *addons.Cluster) error {
	var err error
	switch addon {
	case addons.CinderCSI:
		if c.Storage.VolumeTypes, c.Storage.DefaultVolumeType, err = w.e.Infra.VolumeTypes(ctx, w.site); err != nil {
			return fmt.Errorf("listing volume types: %w", err)
		}
	case addons.ManilaCSI:
		types, region, err := w.e.Infra.ShareTypes(ctx, w.site)
		if err != nil {
			return fmt.Errorf("listing share types: %w", err)
		}
		c.Cloud.Region = cmp.Or(c.Cloud.Region, region) // Manila's plug-in takes none that is empty
		for _, t := range types {
			c.Storage.ShareTypes = append(c.Storage.ShareTypes, addons.ShareType(t))
		}
	}
	return nil
}
