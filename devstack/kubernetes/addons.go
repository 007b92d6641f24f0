package kubernetes

import (
	"errors"
	"fmt"
	"slices"
)

// addonImages are those of what acts in OpenStack, of what its storage plug-in needs beside it, of metrics-server and of
// flannel, and what kubeadm runs on every node of other releases: a cluster that is upgraded has nodes of two. For the registrar of storage plug-ins and their probe, of which no module is published, stands a program of our own.
func (c Cache) addonImages(r Release) ([]image, error) {
	const storage = registry + "sig-storage/"
	var list []image
	for _, m := range addonModules(r) {
		var more []image
		var err error
		switch m.name {
		case "cloud-provider-openstack":
			more, err = c.providerImages(m)
		case "flannel":
			more, err = c.flannelImages(m)
		case "flannel-cni-plugin":
			more, err = c.flannelCNIImages(m)
		case "metrics-server":
			more = []image{c.single(m.name, m, registry+"metrics-server/metrics-server:"+m.version, "/metrics-server", []string{"/metrics-server"})}
		default:
			more = []image{c.single(m.name, m, storage+m.name+":"+m.version, "/"+m.name, []string{"/" + m.name})}
		}
		if err != nil {
			return nil, fmt.Errorf("images of %s: %w", m.name, err)
		}
		list = append(list, more...)
	}
	for _, other := range Releases() {
		if other == r {
			continue
		}
		images, err := c.images(other)
		if err != nil {
			return nil, err
		}
		for _, i := range images {
			if i.name == "kube-proxy" || i.name == "coredns" {
				list = append(list, i)
			}
		}
	}
	if r != Releases()[0] {
		return list, nil
	}
	for _, name := range []string{"csi-node-driver-registrar", "livenessprobe"} {
		list = append(list, image{name: name, version: ownVersion, reference: storage + name + ":" + ownVersion, entrypoint: []string{"/csiside", name},
			files: []layerFile{{path: "/csiside", source: c.own("csiside")}}})
	}
	return list, nil
}

// providerImages have no entry point, since their pods say themselves what is to be started.
func (c Cache) providerImages(m module) ([]image, error) {
	tools, err := fileSystems(c.Root())
	if err != nil {
		return nil, err
	}
	var list []image
	for _, p := range m.programs {
		i := c.single(p.name, m, registry+"provider-os/"+p.name+":"+m.version, "/usr/bin/"+p.name, nil)
		i.files = append(i.files, layerFile{path: "/bin", link: "usr/bin"})
		if p.name == "cinder-csi-plugin" {
			i.files = append(i.files, tools...)
		}
		list = append(list, i)
	}
	return list, nil
}

const flannelRegistry = "ghcr.io/flannel-io/"

// flannelImages is the image of one version. Its pods copy a file with it, too.
func (c Cache) flannelImages(m module) ([]image, error) {
	filter, err1 := packetFilter(c.Root())
	copying, err2 := debianPrograms(c.Root(), "/usr/bin/cp")
	var own []layerFile
	for _, p := range m.programs {
		if p.name != flannelManifest {
			own = append(own, layerFile{path: "/opt/bin/" + p.name, source: c.program(m, p.name)})
		}
	}
	return []image{{name: m.name, version: m.version, reference: flannelRegistry + "flannel:" + m.version, entrypoint: []string{"/opt/bin/flanneld"},
		files: distinct(own, filter, copying)}}, errors.Join(err1, err2)
}

// flannelCNIImages are one and the same under the names that manifests have for it: a pod copies the plug-in onto its host.
func (c Cache) flannelCNIImages(m module) ([]image, error) {
	copying, err := debianPrograms(c.Root(), "/usr/bin/cp")
	var list []image
	for _, f := range Flannels() {
		i := c.single("flannel", m, flannelRegistry+m.name+":"+f.Plugin, "/flannel", nil)
		i.name, i.version = m.name, f.Plugin
		i.files = append(i.files, copying...)
		list = append(list, i)
	}
	return list, err
}

// fileSystems is what makes, checks, grows and mounts ext4, with the libraries of all of it.
func fileSystems(root string) ([]layerFile, error) {
	files := []layerFile{{path: "/sbin", link: "usr/sbin"}, {path: "/etc/mke2fs.conf", source: root + "/etc/mke2fs.conf"},
		{path: "/usr/sbin/mkfs.ext4", link: "mke2fs"}, {path: "/usr/sbin/fsck.ext4", link: "e2fsck"}}
	programs, err := debianPrograms(root, "/usr/sbin/mke2fs", "/usr/sbin/e2fsck", "/usr/sbin/resize2fs", "/usr/sbin/fsck", "/usr/sbin/blkid", "/usr/bin/mount", "/usr/bin/umount", "/usr/bin/findmnt")
	return append(files, programs...), err
}

// debianPrograms are some of the root's, with the libraries of all of them.
func debianPrograms(root string, paths ...string) ([]layerFile, error) {
	files := []layerFile{{path: "/lib", link: "usr/lib"}, {path: "/lib64", link: "usr/lib64"}}
	var sources []string
	for _, path := range paths {
		files = append(files, layerFile{path: path, source: root + path})
		sources = append(sources, root+path)
	}
	libraries, err := needed(root, sources)
	return append(files, libraries...), err
}

// distinct files of lists that share libraries.
func distinct(lists ...[]layerFile) []layerFile {
	var out []layerFile
	for _, f := range slices.Concat(lists...) {
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}
