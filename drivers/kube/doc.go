// Package kube talks to the API of a cluster: is it up, which nodes does it have and in what state, take a node out, set a
// node's labels and taints, apply manifests, keep its etcd in order.
//
// Every method is one short pass that a caller may repeat: it never waits for the cluster to change, it never retries by
// itself, and repeating it when all is as wanted writes nothing. Only the cluster's own CA is trusted. client-go logs
// nothing.
package kube
