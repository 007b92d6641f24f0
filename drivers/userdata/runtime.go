package userdata

import (
	"maps"
	"slices"
)

// runtime is how containerd runs pods behind a wall of their own.
type runtime struct {
	handler string // containerd's name of it, which a RuntimeClass has
	shim    string // program that the image must have
	table   string // of containerd's configuration, below the name of the handler
	more    []File
}

// runtimes by their names. Their shims take care of the cgroups that systemd makes: Kata by itself, gVisor when it is told.
func runtimes() map[string]runtime {
	const runsc = ownDir + "/runsc.toml"
	return map[string]runtime{
		"kata": {handler: "kata", shim: "containerd-shim-kata-v2", table: "runtime_type = \"io.containerd.kata.v2\"\nprivileged_without_host_devices = true\n"},
		"gvisor": {handler: "runsc", shim: "containerd-shim-runsc-v1",
			table: "runtime_type = \"io.containerd.runsc.v1\"\n\n[plugins.\"@CRI@\".containerd.runtimes.runsc.options]\nTypeUrl = \"io.containerd.runsc.v1.options\"\nConfigPath = \"" + runsc + "\"\n",
			more:  []File{{Path: runsc, Content: []byte("[runsc_config]\nsystemd-cgroup = \"true\"\n")}}},
	}
}

// Runtimes are the names that Host.Runtime may have.
func Runtimes() []string { return slices.Sorted(maps.Keys(runtimes())) }

// RuntimeHandler is what a RuntimeClass names to have a runtime of these; "" for none.
func RuntimeHandler(name string) string { return runtimes()[name].handler }

// runtimeFiles are what the bootstrap script makes containerd's configuration of. The name of the plug-in in it depends on
// the version of containerd, which only the host knows.
func runtimeFiles(name string) []File {
	r, found := runtimes()[name]
	if !found {
		return nil
	}
	table := "[plugins.\"@CRI@\".containerd.runtimes." + r.handler + "]\n" + r.table
	return append([]File{
		{Path: ownDir + "/runtime", Content: []byte(r.handler + " " + r.shim + "\n")},
		{Path: ownDir + "/runtime.toml", Content: []byte(table)},
	}, r.more...)
}
