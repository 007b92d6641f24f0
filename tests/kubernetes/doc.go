// Package kubernetes holds the service to a real Kubernetes: kubeadm, kubelet, containerd and etcd as `make
// kubernetes-binaries` has built them, on hosts that boot from the very user data that the service sends, on a simulated
// cloud whose network is real. `make test-kubernetes` runs it, as root.
package kubernetes
