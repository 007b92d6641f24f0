#!/bin/sh
# Has the kubelet ask for new certificates, as it does on its first day: that by which the API knows it, and then, under
# that, the one that it serves with, which somebody has to approve. It may be run any number of times, and be
# interrupted anywhere: a kubelet that starts without its certificate asks for one by itself.
#
#   FILES  folder with bootstrap-kubelet.conf
set -eu
umask 077
config=/etc/kubernetes/kubelet.conf
bootstrap=/etc/kubernetes/bootstrap-kubelet.conf
certificate=/var/lib/kubelet/pki/kubelet-client-current.pem
serving=/var/lib/kubelet/pki/kubelet-server-current.pem

# move <source> <target>
move() {
	if [ -e "$1" ]; then
		mv "$1" "$2"
	fi
}

install -m 0600 "$FILES/bootstrap-kubelet.conf" "$bootstrap"
systemctl stop kubelet
move "$config" "$config.old"
move "$certificate" "$certificate.old"
move "$serving" "$serving.old"
systemctl start kubelet

tries=0
until [ -e "$config" ] && [ -e "$certificate" ]; do
	tries=$((tries + 1))
	if [ "$tries" -gt 60 ]; then
		systemctl stop kubelet
		move "$config.old" "$config"
		move "$certificate.old" "$certificate"
		move "$serving.old" "$serving"
		rm -f "$bootstrap"
		systemctl start kubelet
		echo "the kubelet was given no certificate within two minutes; it has its old one again" >&2
		exit 1
	fi
	sleep 2
done
rm -f "$bootstrap" "$config.old" "$certificate.old" "$serving.old"
