package rig

import (
	"context"
	"errors"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// Machines lists Ironic's nodes, as the service sees them.
func (r *Rig) Machines(t testing.TB) []cloud.BaremetalNode {
	t.Helper()
	c, err := r.factory(t, "jeroboam", "service", "").Service(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Baremetal(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	l, err := b.Nodes(context.Background(), cloud.NodeFilter{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// operator is Ironic for who looks after the machines.
func (r *Rig) operator(t testing.TB) *gophercloud.ServiceClient {
	t.Helper()
	p, err := openstack.AuthenticatedClient(t.Context(), gophercloud.AuthOptions{IdentityEndpoint: r.Cloud.AuthURL(), Username: "admin", Password: "secret", DomainName: "Default",
		Scope: &gophercloud.AuthScope{ProjectName: "admin", DomainName: "Default"}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := openstack.NewBareMetalV1(p, gophercloud.EndpointOpts{})
	if err != nil {
		t.Fatal(err)
	}
	c.Microversion = "1.69"
	return c
}

// SwitchOff takes a machine's power behind the cluster's back.
func (r *Rig) SwitchOff(t testing.TB, machine string) {
	t.Helper()
	if err := nodes.ChangePowerState(t.Context(), r.operator(t), machine, nodes.PowerStateOpts{Target: nodes.PowerOff}).ExtractErr(); err != nil {
		t.Fatal(err)
	}
}

// ReturnRetired makes all machines available again that were retired, as who has repaired them does.
func (r *Rig) ReturnRetired(t testing.TB) {
	t.Helper()
	c := r.operator(t)
	for _, n := range r.Machines(t) {
		if !n.Retired || n.State != "manageable" {
			continue
		}
		if err := nodes.Update(t.Context(), c, n.ID, nodes.UpdateOpts{nodes.UpdateOperation{Op: nodes.ReplaceOp, Path: "/retired", Value: false}}).Err; err != nil {
			t.Fatal(err)
		}
		if err := nodes.ChangeProvisionState(t.Context(), c, n.ID, nodes.ProvisionStateOpts{Target: nodes.TargetProvide}).ExtractErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// BootParts makes machines boot a kernel and a ramdisk, which an image has to name. Those that are in use are in maintenance
// meanwhile: Ironic takes no other interface otherwise.
func (r *Rig) BootParts(t testing.TB, machines ...cloud.BaremetalNode) {
	t.Helper()
	c := r.operator(t)
	for _, n := range machines {
		parts := nodes.UpdateOpts{nodes.UpdateOperation{Op: nodes.AddOp, Path: "/deploy_interface", Value: cloud.RamdiskDeploy},
			nodes.UpdateOperation{Op: nodes.AddOp, Path: "/boot_interface", Value: "redfish-virtual-media"}}
		err1 := nodes.SetMaintenance(t.Context(), c, n.ID, nodes.MaintenanceOpts{Reason: "other interfaces"}).ExtractErr()
		err2 := nodes.Update(t.Context(), c, n.ID, parts).Err
		if err := errors.Join(err1, err2, nodes.UnsetMaintenance(t.Context(), c, n.ID).ExtractErr()); err != nil {
			t.Fatal(err)
		}
	}
}
