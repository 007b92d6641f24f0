// Package kubernetes makes a real Kubernetes for tests, without a registry of images: from Go modules it builds the programs
// of a node, makes container images of them, and puts both into the tree of a host image, as an image builder does for a
// cloud. Everything is made once per version, in a folder outside of the checkout.
//
// A build may be killed at any point: whatever has its final name is whole, and the next build goes on with the rest.
//
//	versions   which versions of what
//	cache      the folder, its lock and its names
//	module     one module's programs, built
//	archive    container images as docker-archive files
//	images     what container images consist of; addons, those of add-ons
//	root       Debian's part of a host image, by mmdebstrap
//	tree       the host image of one release: programs, units, images in containerd's store
//	csiside    stands in for two small programs beside storage plug-ins
//	build      all of it in order
package kubernetes
