// Package addons renders what a cluster gets beside what kubeadm puts into it: objects of the Kubernetes API, from small
// manifests of our own or from those of others that the operator's catalogue names. Rendering is pure: the same cluster
// gives the same objects. A Fetcher brings manifests of the catalogue here, and nothing without the checksum that stands
// there.
package addons
