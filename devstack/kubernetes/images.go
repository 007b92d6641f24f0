package kubernetes

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const registry = "registry.k8s.io/"

// images of a release: those that kubeadm asks for. The root has what kube-proxy needs beside itself.
func (c Cache) images(r Release) ([]image, error) {
	kubernetes := kubernetesModule(r.Kubernetes)
	list := []image{
		c.single("etcd", etcdModule(r.Etcd), registry+"etcd:"+strings.TrimPrefix(r.Etcd, "v")+"-0", "/usr/local/bin/etcd", nil),
		c.single("coredns", corednsModule(r.CoreDNS), registry+"coredns/coredns:"+r.CoreDNS, "/coredns", []string{"/coredns"}),
		{name: "pause", version: r.Pause, reference: registry + "pause:" + r.Pause, entrypoint: []string{"/pause"},
			files: []layerFile{{path: "/pause", source: c.own("pause")}}},
	}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		list = append(list, c.single(name, kubernetes, registry+name+":"+r.Kubernetes, "/usr/local/bin/"+name, nil))
	}
	filter, err := packetFilter(c.Root())
	if err != nil {
		return nil, fmt.Errorf("image of kube-proxy: %w", err)
	}
	proxy := image{name: "kube-proxy", version: r.Kubernetes, reference: registry + "kube-proxy:" + r.Kubernetes, files: append(filter,
		layerFile{path: "/usr/local/bin/kube-proxy", source: c.own("kubeproxy")},
		layerFile{path: "/usr/local/bin/kube-proxy.real", source: c.program(kubernetes, "kube-proxy")})}
	return append(list, proxy), nil
}

// single is an image of one program.
func (c Cache) single(name string, m module, reference, path string, entrypoint []string) image {
	return image{name: name, version: m.version, reference: reference, entrypoint: entrypoint, files: []layerFile{{path: path, source: c.program(m, name)}}}
}

// own is the path of a program of this project.
func (c Cache) own(name string) string { return filepath.Join(c.folder, "programs", "own", name) }

// packetFilter is what iptables consists of: the program under its names, its extensions, and the libraries of all of it.
func packetFilter(root string) ([]layerFile, error) {
	const program = "/usr/sbin/xtables-nft-multi"
	extensions, err := filepath.Glob(filepath.Join(root, "usr/lib/*/xtables/*.so"))
	if err != nil {
		return nil, err
	}
	if len(extensions) == 0 {
		return nil, fmt.Errorf("%s has no extensions of iptables", root)
	}
	files := []layerFile{{path: program, source: root + program}, {path: "/sbin", link: "usr/sbin"}, {path: "/lib", link: "usr/lib"}, {path: "/lib64", link: "usr/lib64"}}
	for _, name := range []string{"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"} {
		files = append(files, layerFile{path: "/usr/sbin/" + name, link: "xtables-nft-multi"})
	}
	sources := []string{root + program}
	for _, e := range extensions {
		files = append(files, layerFile{path: strings.TrimPrefix(e, root), source: e})
		sources = append(sources, e)
	}
	libraries, err := needed(root, sources)
	if err != nil {
		return nil, err
	}
	return append(files, libraries...), nil
}

// needed finds the shared libraries of programs and libraries in a root, those that the libraries need included, and the
// loader.
func needed(root string, sources []string) ([]layerFile, error) {
	found := map[string]layerFile{}
	for len(sources) > 0 {
		source := sources[0]
		sources = sources[1:]
		names, err := imports(source)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if _, known := found[name]; known {
				continue
			}
			path, real, err := findLibrary(root, name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", source, err)
			}
			found[name] = layerFile{path: path, source: real}
			sources = append(sources, real)
		}
	}
	var out []layerFile
	for _, f := range found {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b layerFile) int { return strings.Compare(a.path, b.path) })
	return out, nil
}

// imports lists what a file of machine code is linked with, its loader included.
func imports(path string) ([]string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	names, err := f.ImportedLibraries()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		text := make([]byte, p.Filesz)
		if _, err := p.ReadAt(text, 0); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		names = append(names, strings.TrimRight(string(text), "\x00"))
	}
	return names, nil
}

// findLibrary gives the path under which a library is found, and the file that it leads to. Links in the root are followed
// as if it were the root: absolute ones would lead out of it.
func findLibrary(root, name string) (path, real string, err error) {
	candidates := []string{name}
	if !strings.HasPrefix(name, "/") {
		if candidates, err = filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu", name)); err != nil {
			return "", "", err
		}
	}
	for _, c := range candidates {
		path = merged(strings.TrimPrefix(c, root))
		inside := path
		for range maxLinks {
			target, err := os.Readlink(root + inside)
			if err != nil {
				break
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(inside), target)
			}
			inside = merged(target)
		}
		if there(root + inside) {
			return path, root + inside, nil
		}
	}
	return "", "", fmt.Errorf("library %s is not in the root", name)
}

// maxLinks that lead from one to the next.
const maxLinks = 5

// merged is a path with the links /lib and /lib64 resolved, which Debian's lead into /usr.
func merged(path string) string {
	if strings.HasPrefix(path, "/lib") {
		return "/usr" + path
	}
	return path
}
