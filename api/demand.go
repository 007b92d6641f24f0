package api

import (
	"encoding/json"
	"net/http"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// demand is what a request asks of the project's quotas.
type demand struct {
	servers, cores, ram, serverGroups                         int           // Nova
	networks, subnets, routers, ports, floatingIPs, secGroups int           // Neutron
	volumes, gigabytes                                        int           // Cinder
	loadBalancers                                             int           // Octavia
	machines                                                  []machineNeed // Ironic
}

// hosts adds what n hosts of a group take, whose spec is resolved.
func (d *demand) hosts(n int, f cloud.Flavor, g *db.NodeGroup) {
	var spec ops.GroupSpec
	known := json.Unmarshal(g.Spec, &spec) == nil
	if g.Driver == ironicDriver {
		d.ports += n
		d.machines = append(d.machines, machineNeed{cloud.Machine{ResourceClass: spec.ResourceClass, Traits: spec.Traits}, spec.ImageID, n})
		return
	}
	d.servers += n
	d.cores += n * f.VCPUs
	d.ram += n * f.RAM
	d.ports += n
	if known && spec.BootVolumeSize > 0 {
		d.volumes += n
		d.gigabytes += n * spec.BootVolumeSize
	}
	if g.DockerVolumeSize != nil {
		d.volumes += n
		d.gigabytes += n * *g.DockerVolumeSize
	}
}

// need is one line of a demand, by the name that the service has for it, and the field of a request that sets it.
type need struct {
	name, field string
	want        int
}

// quotas compares a demand with what the project has left. Where the caller may not read quotas nothing is said here; the
// cloud says it when the time comes.
func (k *checks) quotas(d demand) error {
	var short findings
	for _, service := range []struct {
		needs []need
		read  func() (map[string]cloud.Quota, error)
	}{
		{[]need{{"instances", "node_count", d.servers}, {"cores", "node_count", d.cores}, {"ram", "node_count", d.ram}, {"server_groups", "", d.serverGroups}}, k.computeQuotas},
		{[]need{{"network", "fixed_network", d.networks}, {"subnet", "fixed_subnet", d.subnets}, {"router", "fixed_network", d.routers}, {"port", "node_count", d.ports},
			{"floatingip", "floating_ip_enabled", d.floatingIPs}, {"security_group", "", d.secGroups}}, k.networkQuotas},
		{[]need{{"volumes", "node_count", d.volumes}, {"gigabytes", "node_count", d.gigabytes}}, k.volumeQuotas},
		{[]need{{"load_balancer", "master_lb_enabled", d.loadBalancers}}, k.loadBalancerQuotas},
	} {
		if !asks(service.needs) {
			continue
		}
		quotas, err := service.read()
		if cloud.IsForbidden(err) || cloud.IsNotFound(err) {
			continue
		}
		if fatal := short.add(err); fatal != nil {
			return fatal
		}
		for _, n := range service.needs {
			_ = short.add(about(n.field, suffices(quotas, n.name, n.want))) // never fatal: all is known
		}
	}
	return short.err
}

func asks(l []need) bool {
	for _, n := range l {
		if n.want > 0 {
			return true
		}
	}
	return false
}

func (k *checks) computeQuotas() (map[string]cloud.Quota, error) {
	n, err := k.clients.Compute()
	if err != nil {
		return nil, err
	}
	return n.Quotas(k.ctx, k.clients.ProjectID)
}

func (k *checks) networkQuotas() (map[string]cloud.Quota, error) {
	n, err := k.clients.Network()
	if err != nil {
		return nil, err
	}
	return n.Quotas(k.ctx)
}

func (k *checks) volumeQuotas() (map[string]cloud.Quota, error) {
	v, err := k.clients.Volume()
	if err != nil {
		return nil, badRequest("The cloud has no block storage, which the labels or docker_volume_size ask for.")
	}
	return v.Quotas(k.ctx, k.clients.ProjectID)
}

func (k *checks) loadBalancerQuotas() (map[string]cloud.Quota, error) {
	o, err := k.clients.LoadBalancer()
	if err != nil {
		return nil, about("master_lb_enabled", badRequest("The cloud has no load balancers, which master_lb_enabled asks for."))
	}
	q, err := o.Quotas(k.ctx, k.clients.ProjectID)
	if !cloud.IsForbidden(err) {
		return q, err
	}
	// Octavia has roles of its own. Who may not even look for load balancers is told now, not when half of the cluster is there.
	if _, look := o.Find(k.ctx, "any", "any"); cloud.IsForbidden(look) {
		return nil, about("master_lb_enabled", fail(http.StatusForbidden, "You may not use load balancers in this project, which master_lb_enabled asks for. "+
			"Octavia wants a role such as load-balancer_member for it."))
	}
	return nil, err
}

func suffices(quotas map[string]cloud.Quota, name string, want int) error {
	q, known := quotas[name]
	if !known || want == 0 || want <= q.Left() {
		return nil
	}
	return fail(http.StatusForbidden, "Resource limit exceeded: the project's quota of %s is %d, %d are in use, and this needs %d more.", name, q.Limit, q.Used, want)
}
