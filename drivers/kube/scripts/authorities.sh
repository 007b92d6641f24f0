#!/bin/sh
# Puts certificate authorities in place, renews certificates, and restarts what has read them. It may be run any number of
# times, and be interrupted anywhere: every file is replaced as a whole, and kubeadm renews whatever is there.
#
#   FILES       folder of the authorities to put in place, unless there are none
#   RENEW       certificates that kubeadm is to renew, by its names for them
#   COMPONENTS  of the control plane, which are to be restarted in this order
#   MARK        what tells this restart from others
#   KUBELET     yes: the kubelet is to be restarted
#   SHOWN       yes: the API server of this host is to show a certificate of the authority that signs
set -eu
umask 077
kubernetes=/etc/kubernetes
pki=$kubernetes/pki

# put <name> <target> <mode>
put() {
	if [ -e "$FILES/$1" ]; then
		install -m "$3" "$FILES/$1" "$2.new"
		mv "$2.new" "$2"
	fi
}

put ca.crt "$pki/ca.crt" 0644
put ca.key "$pki/ca.key" 0600
put signing-ca.crt "$pki/signing-ca.crt" 0644
put front-proxy-ca.crt "$pki/front-proxy-ca.crt" 0644
put front-proxy-ca.key "$pki/front-proxy-ca.key" 0600
put etcd-ca.crt "$pki/etcd/ca.crt" 0644
put etcd-ca.key "$pki/etcd/ca.key" 0600

for certificate in $RENEW; do
	kubeadm certs renew "$certificate"
done

# After kubeadm, which writes only the first authority into what it renews.
authorities=$(base64 -w 0 "$pki/ca.crt")
for config in "$kubernetes"/*.conf; do
	sed "s|^\( *certificate-authority-data: \).*|\1$authorities|" "$config" >"$config.new"
	mv "$config.new" "$config"
done

# processes <component>: those that run now; the kernel keeps fifteen letters of a name
processes() {
	for process in /proc/[0-9]*; do
		program=
		if [ -e "$process/comm" ]; then
			read -r program <"$process/comm" || true
		fi
		if [ -n "$program" ] && [ "$program" = "$(printf %.15s "$1")" ]; then
			echo "$process"
		fi
	done
}

# The kubelet makes a static pod anew when anything in its manifest has changed. It reads every file in the folder, so the
# new manifest is written elsewhere.
#
# One after the other, in their order: an API server whose etcd has gone before it waits for that one until it is killed.
# And all are to be gone before the kubelet is restarted: one that starts does not know the pods of before, and ends none of
# them until it hears the API, in vain where what answers it is the API server that is to be ended. One that does not end
# within its time is left to the kubelet.
left=120
for component in $COMPONENTS; do
	manifest=$kubernetes/manifests/$component.yaml
	case "$(sed -e '/^$/d' "$manifest")" in
	*"jeroboam.cloud/restarted: \"$MARK\""*) continue ;; # by an earlier run of this
	esac
	before=$(processes "$component")
	sed -e '/^    jeroboam.cloud\/restarted: /d' -e "s|^  labels:\$|&\n    jeroboam.cloud/restarted: \"$MARK\"|" "$manifest" >"$kubernetes/$component.new"
	mv "$kubernetes/$component.new" "$manifest"
	for process in $before; do
		while [ -e "$process" ] && [ "$left" -gt 0 ]; do
			sleep 1
			left=$((left - 1))
		done
	done
done

if [ "$KUBELET" = yes ]; then
	systemctl restart kubelet
fi

# An API server reads its certificate again when it has changed, at the latest after a minute.
if [ "$SHOWN" = yes ]; then
	address=
	while read -r name value; do
		case "$name" in
		kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint:) address=$value ;;
		esac
	done <"$kubernetes/manifests/kube-apiserver.yaml"
	address=${address#\'}
	address=${address%\'}
	left=120
	until said=$(curl -sS -o /dev/null --noproxy "*" --max-time 5 --cacert "$pki/signing-ca.crt" "https://$address/livez" 2>&1); do
		if [ "$left" -le 0 ]; then
			echo "the API server at $address does not show its new certificate: $said"
			exit 1
		fi
		sleep 1
		left=$((left - 1))
	done
fi
