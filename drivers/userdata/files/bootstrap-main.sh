# The environment of logins, like that of the services, has the proxy; lines of an earlier run are replaced.
set_proxy() {
	if [ -e /etc/jeroboam/proxy.env ]; then
		{
			grep -viE '^(http|https|no)_proxy=' /etc/environment || true
			cat /etc/jeroboam/proxy.env
		} >/etc/environment.jeroboam
		chmod 0644 /etc/environment.jeroboam
		mv /etc/environment.jeroboam /etc/environment
	fi
}

prepare() {
	mkdir -p "$state"
	keep_pki
	set_proxy
	set_trust
	set_time
	systemctl daemon-reload
	systemctl enable jeroboam-bootstrap.service jeroboam-metadata-guard.service
	# Before any kubelet: no pod may ever reach the metadata service, which has this host's secrets.
	systemctl start jeroboam-metadata-guard.service
	# Services have addresses that it does not know, and pods have networks of their own: security groups guard the host.
	systemctl disable --now firewalld.service 2>/dev/null || true
	swapoff -a
	systemctl mask swap.target
	# What fails here and matters, kubeadm's own checks name.
	modprobe -a overlay br_netfilter || say "kernel modules could not be loaded"
	sysctl -p /etc/sysctl.d/90-jeroboam.conf || say "not all kernel settings could be made"
	if [ -e /etc/jeroboam/runtime ]; then add_runtime; fi
	if [ -e /etc/systemd/system/jeroboam-pod-network.service ]; then
		systemctl enable jeroboam-pod-network.service
		systemctl start --no-block jeroboam-pod-network.service
	fi
	systemctl enable containerd.service kubelet.service
	systemctl restart containerd.service
}

finish() {
	touch "$done_mark"
	sync
	rm -rf "$state/pki"
	systemctl disable jeroboam-bootstrap.service
	say "this host is a node after $SECONDS seconds"
}

main() {
	if [ -e "$done_mark" ]; then
		say "this host is a node already"
		return 0
	fi
	prepare
	local pause=5
	until attempt; do
		if ((SECONDS + pause > patience)); then
			say "giving up after $SECONDS seconds"
			return 1
		fi
		say "this attempt failed, the next one comes in $pause seconds"
		sleep "$pause"
		pause=$((pause < 40 ? pause * 2 : 60))
	done
	finish
}

exec 9>/run/jeroboam-bootstrap.lock
if ! flock -n 9; then
	say "another run is at work"
	exit 0
fi
console=/dev/console
(: >"$console") 2>/dev/null || console=/dev/null
# Whatever is said on the way, no join token gets into the log. Each line has its time, those of kubeadm too.
main 2>&1 | sed -u -E 's/\b[a-z0-9]{6}\.[a-z0-9]{16}\b/(token)/g' |
	while IFS= read -r line || [ -n "$line" ]; do TZ=UTC printf '%(%FT%TZ)T %s\n' -1 "$line"; done | tee -a "$log_file" >"$console"
