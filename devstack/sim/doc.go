// Package sim is a cloud in one process: Keystone, Nova, Neutron, Glance, Cinder, Octavia, Barbican, Ironic and Placement
// as HTTP servers with their paths, shapes, status codes, asynchronous states, conflicts and quotas, and a network on
// loopback between what its servers run (package kube). Nothing of the project is imported: it is the independent check.
//
// How it is put together, bottom-up:
//
//	doc, object, store   what the cloud consists of: rows of JSON with an index or two
//	clock, faults        how long things take, and what goes wrong on demand
//	service, call, list  one request: authenticate, inject, run a handler under the cloud's lock, encode
//	identity_*, compute_*, baremetal_*, …   one family of resources each: its routes and handlers
//	fabric, sockets      connections between hosts, and the addresses that are reachable from outside
//	hypervisor           who boots servers that are no simulated hosts, and what it is shown of the network
//
// A handler runs with Cloud.mu held and never blocks. What takes time is scheduled with Cloud.after.
package sim
