#!/bin/sh
# Closes the metadata service of the cloud to pods: it hands out this host's user data, and with it the cluster's keys.
# Only forwarded packets are refused, so processes of the host itself keep it, and so do pods on the host's own network
# (hostNetwork), as the cloud's controller and storage plug-ins are.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin

# A table of our own: neither kube-proxy nor a network plug-in flushes it, and what it refuses stays refused whatever
# they accept. The first two lines make the whole a replacement, in one transaction.
if command -v nft >/dev/null && nft -f - <<RULES; then
table inet jeroboam
delete table inet jeroboam
table inet jeroboam {
	chain metadata {
		type filter hook forward priority -10; policy accept;
		ip daddr 169.254.169.254 reject
		ip6 daddr { fd00:ec2::254, fe80::a9fe:a9fe } reject
	}
}
RULES
	exit 0
fi

# close <command> <address>
close() {
	"$1" -w -C FORWARD -d "$2" -j REJECT 2>/dev/null || "$1" -w -I FORWARD 1 -d "$2" -j REJECT
}

close iptables 169.254.169.254
if command -v ip6tables >/dev/null && [ -e /proc/net/if_inet6 ]; then
	close ip6tables fd00:ec2::254
	close ip6tables fe80::a9fe:a9fe
fi
