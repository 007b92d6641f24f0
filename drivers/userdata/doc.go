// Package userdata renders what a host needs to become a node of its cluster on its own: a cloud-config with the kubeadm
// configuration, the certificate authorities (control planes), and a bootstrap script.
//
// Rendering is pure: the same Host gives the same bytes. Nothing of a Host reaches a shell: the scripts are the same for
// every host of a role, and everything that differs stands in YAML or in files of its own. Values are checked before they
// are rendered, all at once; a value that a component would split, expand or interpret is refused.
//
// The rendered bytes hold secrets (the join token, a control plane's keys) and belong into no log.
package userdata
