# All hosts of a cluster boot at once, so the API may be long in coming. kubeadm itself waits for it, but looks every five
# seconds only, and so it does after ten minutes of this. What is read here is public, and the last thing that init makes for
# joining hosts; it is believed in nothing but its being there: kubeadm verifies the API.
await_api() {
	command -v curl >/dev/null || return 0
	local api end=$((SECONDS + 600))
	api=$(sed -n "s/^ *server: *//p" /etc/kubernetes/discovery.conf | tr -d "\"'")
	say "waiting for the API at $api"
	until curl --silent --fail --insecure --globoff --noproxy '*' --max-time 5 --output /dev/null "$api/api/v1/namespaces/kube-public/configmaps/cluster-info"; do
		((SECONDS < end)) || return 0
		sleep 1
	done
}

