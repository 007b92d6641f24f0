# The first process of a host, in namespaces that the bed made: for mounts, processes, names, communication and network. It
# puts the file system together and becomes systemd.
#
#   ROOT, IMAGE   Debian, and what lies over it
#   DISK          the folder of the host's disk
#   OWN           what of it has a place of its own: "folder=/place …"
#   CONSOLE       the terminal that is the console
#   GROUPS_OF     the folders of its control groups
#   NAME, MAC     of the host and its link
#   ADDRESSES     of the link, with the lengths of their prefixes; GATEWAY
set -euo pipefail
new=$DISK/root

for group in $GROUPS_OF; do
	echo 0 >"$group/cgroup.procs"
done

# The link comes from outside; a byte tells that it is there.
read -r -n 1 <&3
exec 3<&-
ip link set lo up
ip link set eth0 address "$MAC"
for address in $ADDRESSES; do
	ip address add "$address" dev eth0
done
ip link set eth0 up
if [ -n "$GATEWAY" ]; then ip route add default via "$GATEWAY"; fi
hostname "$NAME"

mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$IMAGE:$ROOT,upperdir=$DISK/upper,workdir=$DISK/work" "$new"
for pair in $OWN; do
	mkdir -p "$new${pair#*=}"
	mount --bind "$DISK/var/${pair%%=*}" "$new${pair#*=}"
done

printf 'nameserver %s\n' "${GATEWAY:-127.0.0.1}" >"$new/etc/resolv.conf"

mount -t proc proc "$new/proc"
mount -t sysfs -o ro sysfs "$new/sys"
# The settings of the kernel are the machine's; those of the network are the host's own.
mount --bind "$new/proc/sys" "$new/proc/sys"
mount -o remount,bind,ro "$new/proc/sys"
mount --bind "$new/proc/sys/net" "$new/proc/sys/net"
mount -o remount,bind,rw "$new/proc/sys/net"

# What the kubelet insists on writing is written to files of the host's own.
mkdir -p "$DISK/settings"
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
	name=${setting%%=*}
	echo "${setting#*=}" >"$DISK/settings/${name##*/}"
	if [ -e "$new/proc/sys/$name" ]; then mount --bind "$DISK/settings/${name##*/}" "$new/proc/sys/$name"; fi
done

mount -t tmpfs -o mode=755 dev "$new/dev"
mkdir "$new/dev/pts" "$new/dev/shm" "$new/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$new/dev/pts"
mount -t tmpfs -o mode=1777 shm "$new/dev/shm"
mount -t mqueue mqueue "$new/dev/mqueue"
for device in null:3 zero:5 full:7 random:8 urandom:9; do
	mknod -m 666 "$new/dev/${device%%:*}" c 1 "${device#*:}"
done
mknod -m 666 "$new/dev/tty" c 5 0
ln -s pts/ptmx "$new/dev/ptmx"
ln -s /proc/self/fd "$new/dev/fd"
ln -s fd/0 "$new/dev/stdin"
ln -s fd/1 "$new/dev/stdout"
ln -s fd/2 "$new/dev/stderr"
touch "$new/dev/console"
mount --bind "$CONSOLE" "$new/dev/console"
# The kernel's log is the machine's; the kubelet insists on one.
ln -s console "$new/dev/kmsg"
mount -t tmpfs -o mode=755 run "$new/run"
mount -t tmpfs -o mode=1777 tmp "$new/tmp"

# Control groups as this host sees them: its own are the roots.
export new
exec unshare --cgroup /bin/bash -euo pipefail -c '
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	mount -t cgroup2 cgroup2 "$new/sys/fs/cgroup"
	unified=1
else
	unified=0
	mount -t tmpfs -o mode=755 cgroup "$new/sys/fs/cgroup"
	for group in $GROUPS_OF; do
		hierarchy=${group#/sys/fs/cgroup/}
		hierarchy=${hierarchy%%/*}
		mkdir "$new/sys/fs/cgroup/$hierarchy"
		option=$hierarchy
		if [ "$hierarchy" = systemd ]; then option=none,name=systemd; fi
		mount -t cgroup -o "$option" "$hierarchy" "$new/sys/fs/cgroup/$hierarchy"
	done
fi
cd "$new"
mkdir -p oldroot
pivot_root . oldroot
umount -l /oldroot
rmdir /oldroot
mount --make-rshared /
exec env -i container=jeroboam PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	SYSTEMD_PROC_CMDLINE="systemd.unified_cgroup_hierarchy=$unified systemd.legacy_systemd_cgroup_controller=1 systemd.journald.forward_to_console=0" \
	/lib/systemd/systemd --show-status=true
'
