package cloud

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/allocations"
)

// Allocation reserves a node of Ironic's. Its id is the node's instance_uuid; it goes when the node is undeployed.
type Allocation struct {
	ID        string         `json:"uuid"`
	Name      string         `json:"name"`
	State     string         `json:"state"` // allocating, active or error
	NodeID    string         `json:"node_uuid"`
	LastError string         `json:"last_error"`
	Owner     string         `json:"owner"`
	Extra     map[string]any `json:"extra"`
}

// AllocationSpec is what an allocation asks for. Its name is unique: a second one of that name is a conflict.
type AllocationSpec struct {
	Name          string         `json:"name"`
	ID            string         `json:"uuid,omitempty"`
	ResourceClass string         `json:"resource_class,omitempty"`
	Traits        []string       `json:"traits,omitempty"`
	Candidates    []string       `json:"candidate_nodes,omitempty"` // ids of nodes; empty: any
	Owner         string         `json:"owner,omitempty"`           // only its nodes
	Node          string         `json:"node,omitempty"`            // one that is active already
	Extra         map[string]any `json:"extra,omitempty"`
}

// Allocate asks for an allocation; Ironic looks for the node by itself, so it is in state allocating at first. gophercloud's
// call knows neither owner nor node.
func (b *Baremetal) Allocate(ctx context.Context, s AllocationSpec) (Allocation, error) {
	var a Allocation
	_, err := b.c.Post(ctx, b.c.ServiceURL("allocations"), s, &a, &gophercloud.RequestOpts{OkCodes: []int{http.StatusCreated}}) //nolint:bodyclose // it is read and closed
	return a, wrap(baremetal, err, "creating allocation %s", s.Name)
}

// Allocation reads one by its id or name.
func (b *Baremetal) Allocation(ctx context.Context, idOrName string) (Allocation, error) {
	var a Allocation
	_, err := b.c.Get(ctx, b.c.ServiceURL("allocations", idOrName), &a, nil) //nolint:bodyclose // it is read and closed
	return a, wrap(baremetal, err, "reading allocation %s", idOrName)
}

// Allocations lists them: all that the actor may see, or those of an owner.
func (b *Baremetal) Allocations(ctx context.Context, owner string) ([]Allocation, error) {
	q := url.Values{}
	if owner != "" {
		q.Set("owner", owner)
	}
	return pages(ctx, b, "listing allocations", "allocations", q, func(a Allocation) string { return a.ID })
}

// DeleteAllocation gives a node back that is not deployed. A conflict: it is.
func (b *Baremetal) DeleteAllocation(ctx context.Context, id string) error {
	return wrap(baremetal, allocations.Delete(ctx, b.c, id).ExtractErr(), "deleting allocation %s", id)
}

// into turns decoded JSON into a type.
func into(v, target any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, target)
}
