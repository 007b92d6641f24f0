// Package controlplane starts a real etcd, API server and controller manager with the configuration that kubeadm makes of a
// host's user data, and holds what we ask of them to what they do. It needs what `make kubernetes-binaries` builds, and root.
package controlplane
