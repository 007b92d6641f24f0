// Package openstack does the main job on a real OpenStack control plane: `make test-openstack`. The hypervisor only
// pretends, so what a server would have run is run by package guests, from the user data that Nova has of it.
package openstack
