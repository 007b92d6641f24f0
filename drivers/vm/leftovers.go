package vm

import (
	"context"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/infra"
)

// Leftovers finds servers by their tag, ports by their mark, and server groups, which have neither, by their name.
func (m *Machines) Leftovers(ctx context.Context, s *drivers.Site) ([]drivers.Resource, error) {
	nova, err := m.compute(ctx, s)
	if err != nil {
		return nil, err
	}
	var l []drivers.Resource
	servers, err := nova.Servers(ctx, s.Cluster.Tag())
	if err != nil {
		return nil, err
	}
	for _, x := range servers {
		l = append(l, drivers.Resource{Kind: drivers.KindServer, Name: x.Name, ID: x.ID})
	}
	groups, err := nova.ServerGroups(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if strings.HasPrefix(g.Name, groupName(s, "")) {
			l = append(l, drivers.Resource{Kind: drivers.KindServerGroup, Name: g.Name, ID: g.ID})
		}
	}
	ports, err := m.ports.Marked(ctx, s)
	return infra.Unknown(s, append(l, ports...)), err
}
