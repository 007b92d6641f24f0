package kube

import "time"

// How long things take, in the clock's time. They are rounded medians of what is published and was measured for small
// virtual machines with the container images already on disk.
const (
	// kernel, and cloud-init up to its final stage, of a cloud image on a fast disk
	bootLatency = 3 * time.Second
	// kernel to running containers on a host that was a node before
	rebootLatency = 8 * time.Second
	// kubeadm init until the API server answers: measured 12 to 17 s
	initLatency = 15 * time.Second
	// kubeadm join --control-plane until its API server answers: etcd has to catch up, then static pods start
	joinControlPlaneLatency = 10 * time.Second
	// kubeadm join until the kubelet has its certificate and registers
	joinWorkerLatency = 5 * time.Second
	// from the Node object to its Ready condition: the network plug-in starts
	readyLatency = 3 * time.Second
	// from a pod's being bound to its container's running, its image on disk
	podLatency = 2 * time.Second
	// a static pod from the change of its manifest to its running again
	componentLatency = 4 * time.Second
	// between two attempts of the bootstrap script, spread by retryJitter over the hosts of a cluster
	retryInterval = 2 * time.Second
	retryJitter   = 3 * time.Second
	// one attempt of the network, in wall time: everything is on loopback
	attemptTimeout = 10 * time.Second
	// kubeadm waits so long for the control-plane endpoint, its default for a healthy control plane
	endpointTimeout = 4 * time.Minute
	// kubeadm's default for discovery; a bootstrap script without a loop gives up after it
	discoveryTimeout = 5 * time.Minute
	// kubeadm tries so long to make another member of etcd, its default
	etcdJoinTimeout = 2 * time.Minute
	// etcd answers so late that it has no quorum: 5 s and twice its election timeout
	etcdRequestTimeout = 7 * time.Second
	// the kubelet ends an API server after 8 failed probes, 10 s apart
	livenessPatience = 80 * time.Second
	// the API server's own readiness check of etcd, its default
	etcdCheckTimeout = 2 * time.Second
	// the node controller calls a kubelet dead when it was not heard of for so long
	nodeGracePeriod = 40 * time.Second
	// what a bootstrap token lives for unless it says otherwise
	defaultTokenTTL = 24 * time.Hour
	// kubeadm's certificates, unless certificateValidityPeriod says otherwise
	defaultCertificateValidity = 365 * 24 * time.Hour
)
