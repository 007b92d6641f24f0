package cloud

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"
)

const baremetal = "baremetal"

// Microversions of Ironic: the lowest with what we need, and the highest whose answers we know.
const (
	leastBaremetal = 69 // deploy steps in a provision request; everything since Wallaby
	mostBaremetal  = 82 // shards
)

// Baremetal is Ironic for one actor.
type Baremetal struct {
	c *gophercloud.ServiceClient
	// Minor of the microversion that was agreed upon: 1.Minor.
	Minor int
}

// Baremetal is Ironic. The first call agrees on a microversion with it.
func (c *Clients) Baremetal(ctx context.Context) (*Baremetal, error) {
	s, err := c.service(baremetal, openstack.NewBareMetalV1)
	if err != nil {
		return nil, err
	}
	c.agreeing.Lock() // whoever comes second uses what the first one learned
	defer c.agreeing.Unlock()
	if s.Microversion == "" {
		minor, err := agree(ctx, s)
		if err != nil {
			return nil, err
		}
		s.Microversion = fmt.Sprintf("1.%d", minor)
	}
	var minor int
	_, err = fmt.Sscanf(s.Microversion, "1.%d", &minor)
	return &Baremetal{s, minor}, wrap(baremetal, err, "reading microversion %s", s.Microversion)
}

// agree asks which microversions Ironic has. It tells in the headers of every answer.
func agree(ctx context.Context, s *gophercloud.ServiceClient) (int, error) {
	resp, err := s.Get(ctx, s.ServiceURL(), nil, &gophercloud.RequestOpts{OkCodes: []int{http.StatusOK}, KeepResponseBody: true})
	if err != nil {
		return 0, wrap(baremetal, err, "asking for its microversions")
	}
	_ = resp.Body.Close() // nothing of it is read
	has := resp.Header.Get("X-OpenStack-Ironic-API-Maximum-Version")
	most, err := strconv.Atoi(strings.TrimPrefix(has, "1."))
	if err != nil || most < leastBaremetal {
		return 0, &Error{Service: baremetal, Action: "asking for its microversions", Status: http.StatusNotAcceptable,
			Message: fmt.Sprintf("microversion 1.%d is needed, it has %q at most", leastBaremetal, has)}
	}
	return min(most, mostBaremetal), nil
}

// BaremetalNode is a machine of Ironic's.
type BaremetalNode struct {
	ID                string         `json:"uuid"`
	Name              string         `json:"name"`
	State             string         `json:"provision_state"`
	TargetState       string         `json:"target_provision_state"` // "": it does not change by itself
	StateSince        string         `json:"provision_updated_at"`
	PowerState        string         `json:"power_state"`
	TargetPowerState  string         `json:"target_power_state"`
	InstanceID        string         `json:"instance_uuid"` // that of its allocation
	ResourceClass     string         `json:"resource_class"`
	Traits            []string       `json:"traits"`
	Properties        map[string]any `json:"properties"`
	InstanceInfo      map[string]any `json:"instance_info"`
	Extra             map[string]any `json:"extra"`
	DeployStep        map[string]any `json:"deploy_step"`
	LastError         string         `json:"last_error"`
	Maintenance       bool           `json:"maintenance"`
	MaintenanceReason string         `json:"maintenance_reason"`
	Fault             string         `json:"fault"`
	Retired           bool           `json:"retired"`
	Protected         bool           `json:"protected"`
	Owner             string         `json:"owner"`
	Lessee            string         `json:"lessee"`
	ConductorGroup    string         `json:"conductor_group"`
	NetworkInterface  string         `json:"network_interface"`
	DeployInterface   string         `json:"deploy_interface"`
	Reservation       string         `json:"reservation"` // the conductor that is busy with it
}

// nodeFields are those of BaremetalNode, so that a list does not carry what hardware has told of itself. Ironic 21.4
// fails when a list is to have allocation_uuid.
const nodeFields = "uuid,name,provision_state,target_provision_state,provision_updated_at,power_state,target_power_state,instance_uuid," +
	"resource_class,traits,properties,instance_info,extra,deploy_step,last_error,maintenance,maintenance_reason,fault,retired,protected,owner,lessee," +
	"conductor_group,network_interface,deploy_interface,reservation"

// Pool is the part of Ironic's nodes that we may use; empty fields do not narrow it. Nova or others have the rest.
type Pool struct{ ConductorGroup, Owner, Shard string }

// NodeFilter narrows a list of nodes; empty fields do not.
type NodeFilter struct {
	Pool
	ResourceClass, State, Lessee, InstanceID string

	Associated bool // only those that are somebody's
}

func (f NodeFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"resource_class": f.ResourceClass, "provision_state": f.State, "conductor_group": f.ConductorGroup,
		"owner": f.Owner, "lessee": f.Lessee, "shard": f.Shard, "instance_uuid": f.InstanceID} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Associated {
		q.Set("associated", "true")
	}
	return q
}

// Nodes lists nodes.
func (b *Baremetal) Nodes(ctx context.Context, f NodeFilter) ([]BaremetalNode, error) {
	q := f.query()
	q.Set("fields", nodeFields)
	return pages(ctx, b, "listing nodes", "nodes", q, func(n BaremetalNode) string { return n.ID })
}

// pages reads a whole collection. Ironic says where the next page is by a URL, which behind a proxy may be its own: only
// that there is one is believed.
func pages[T any](ctx context.Context, b *Baremetal, action, collection string, q url.Values, id func(T) string) ([]T, error) {
	var all []T
	for {
		var page map[string]any
		_, err := b.c.Get(ctx, b.c.ServiceURL(collection)+"?"+q.Encode(), &page, nil) //nolint:bodyclose // it is read and closed
		if err != nil {
			return nil, wrap(baremetal, err, "%s", action)
		}
		var l []T
		if err := into(page[collection], &l); err != nil {
			return nil, wrap(baremetal, err, "%s", action)
		}
		all = append(all, l...)
		if next, _ := page["next"].(string); next == "" || len(l) == 0 {
			return all, nil
		}
		q.Set("marker", id(l[len(l)-1]))
	}
}

// Node reads one by its id or name.
func (b *Baremetal) Node(ctx context.Context, id string) (BaremetalNode, error) {
	var n BaremetalNode
	_, err := b.c.Get(ctx, b.c.ServiceURL("nodes", id), &n, nil) //nolint:bodyclose // it is read and closed
	return n, wrap(baremetal, err, "reading node %s", id)
}

// Change is one change of a node. A nil Value takes the field away.
type Change struct {
	Path  string // "/instance_info/image_source"
	Value any
}

// ChangeNode changes a node. Fields are added or replaced; a removal of what is not there is refused by Ironic with 400. A
// conflict: somebody is busy with the node.
func (b *Baremetal) ChangeNode(ctx context.Context, id string, changes ...Change) error {
	var patch nodes.UpdateOpts
	for _, c := range changes {
		if c.Value == nil {
			patch = append(patch, nodes.UpdateOperation{Op: nodes.RemoveOp, Path: c.Path})
			continue
		}
		patch = append(patch, nodes.UpdateOperation{Op: nodes.AddOp, Path: c.Path, Value: c.Value})
	}
	return wrap(baremetal, nodes.Update(ctx, b.c, id, patch).Err, "changing node %s", id)
}

// ConfigDrive is what a deployed host reads when it boots first.
type ConfigDrive struct {
	MetaData    map[string]any
	NetworkData map[string]any
	UserData    string
}

// Deploy asks for a node to be made active with what its instance_info says. Steps run beside those of deploy templates.
func (b *Baremetal) Deploy(ctx context.Context, id string, drive ConfigDrive, steps ...nodes.DeployStep) error {
	return b.provision(ctx, id, "deploying", nodes.ProvisionStateOpts{Target: nodes.TargetActive, ConfigDrive: drive.form(), DeploySteps: steps})
}

// Rebuild asks for an active node to be deployed once more, where it is: without cleaning, with the ports it has.
func (b *Baremetal) Rebuild(ctx context.Context, id string, drive ConfigDrive, steps ...nodes.DeployStep) error {
	return b.provision(ctx, id, "rebuilding", nodes.ProvisionStateOpts{Target: nodes.TargetRebuild, ConfigDrive: drive.form(), DeploySteps: steps})
}

// Undeploy asks for a node to be given back: it is cleaned, and its allocation goes.
func (b *Baremetal) Undeploy(ctx context.Context, id string) error {
	return b.provision(ctx, id, "undeploying", nodes.ProvisionStateOpts{Target: nodes.TargetDeleted})
}

func (d ConfigDrive) form() nodes.ConfigDrive {
	return nodes.ConfigDrive{MetaData: d.MetaData, NetworkData: d.NetworkData, UserData: d.UserData}
}

func (b *Baremetal) provision(ctx context.Context, id, what string, o nodes.ProvisionStateOpts) error {
	return wrap(baremetal, nodes.ChangeProvisionState(ctx, b.c, id, o).ExtractErr(), "%s node %s", what, id)
}

// Reboot asks for a node to be started again: hard by its power. Hardware that has no soft way refuses it (400).
func (b *Baremetal) Reboot(ctx context.Context, id string, hard bool) error {
	target := nodes.SoftRebooting
	if hard {
		target = nodes.Rebooting
	}
	return wrap(baremetal, nodes.ChangePowerState(ctx, b.c, id, nodes.PowerStateOpts{Target: target}).ExtractErr(), "rebooting node %s", id)
}

// Validate asks whether a node can be deployed with what is known of it. It names the interfaces that say no, with their words.
func (b *Baremetal) Validate(ctx context.Context, id string) (map[string]string, error) {
	v, err := nodes.Validate(ctx, b.c, id).Extract()
	if err != nil {
		return nil, wrap(baremetal, err, "validating node %s", id)
	}
	bad := map[string]string{}
	for name, x := range map[string]nodes.DriverValidation{"boot": v.Boot, "deploy": v.Deploy, "management": v.Management, "network": v.Network, "power": v.Power, "storage": v.Storage} {
		if !x.Result && x.Reason != "" { // without words: the hardware has no such interface
			bad[name] = x.Reason
		}
	}
	return bad, nil
}

// IsLocked: somebody is busy with the node; it can be tried again.
func IsLocked(err error) bool {
	return status(err) == http.StatusConflict && strings.Contains(strings.ToLower(err.Error()), "locked")
}
