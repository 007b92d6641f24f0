readonly containerd_config=/etc/containerd/config.toml

# has_handler tells that containerd's configuration, with all that it imports, has a runtime of this name.
has_handler() {
	containerd config dump >"$state/containerd.toml" || return
	grep -qE "\.runtimes\.[\"']?$1[\"']?\]\$" "$state/containerd.toml"
}

# replace_config puts its input in the place of containerd's configuration.
replace_config() {
	mkdir -p /etc/containerd
	cat >"$containerd_config.part"
	chmod 0644 "$containerd_config.part"
	sync
	mv "$containerd_config.part" "$containerd_config"
}

# What containerd 1 imports takes the place of all that a plug-in had, so there the runtime goes into the file itself.
append_runtime() {
	{
		if [ -e "$containerd_config" ]; then cat "$containerd_config"; else echo 'version = 2'; fi
		echo
		sed 's/@CRI@/io.containerd.grpc.v1.cri/' /etc/jeroboam/runtime.toml
	} | replace_config
}

# containerd 2 merges what it imports, as long as it is written in the same version as the file that imports it.
drop_in_runtime() {
	local version plugin=io.containerd.cri.v1.runtime
	[ -e "$containerd_config" ] || echo 'version = 3' | replace_config
	version=$(sed -n 's/^version *= *//p' "$containerd_config")
	if [ "$version" = 2 ]; then plugin=io.containerd.grpc.v1.cri; fi
	mkdir -p /etc/containerd/conf.d
	{
		echo "version = $version"
		echo
		sed "s/@CRI@/$plugin/" /etc/jeroboam/runtime.toml
	} >/etc/containerd/conf.d/90-jeroboam-runtime.toml
	chmod 0644 /etc/containerd/conf.d/90-jeroboam-runtime.toml
	if ! grep -q '^imports *=' "$containerd_config"; then
		{
			echo 'imports = ["/etc/containerd/conf.d/*.toml"]'
			cat "$containerd_config"
		} | replace_config
	elif ! grep -q '^imports *=.*/etc/containerd/conf\.d/\*\.toml' "$containerd_config"; then
		sed 's|^imports *= *\[|&"/etc/containerd/conf.d/*.toml", |' "$containerd_config" | replace_config
	fi
}

# add_runtime gives containerd the runtime of this pool, unless the image has brought it. A host that cannot have it does not
# become a node: its pods would be let in and never start.
add_runtime() {
	local handler shim
	read -r handler shim </etc/jeroboam/runtime
	if ! command -v "$shim" >/dev/null; then
		say "the image does not have $shim, which runs the containers of this pool"
		return 1
	fi
	if [ "$handler" = kata ] && [ ! -e /dev/kvm ]; then
		say "this host has no /dev/kvm: its flavor or its hypervisor gives it no hardware virtualization"
		return 1
	fi
	if has_handler "$handler"; then return 0; fi
	case $(containerd --version | cut -d ' ' -f 3) in
	1.* | v1.*) append_runtime ;;
	*) drop_in_runtime ;;
	esac
	if has_handler "$handler"; then return 0; fi
	say "containerd does not take the runtime $handler into its configuration"
	return 1
}

