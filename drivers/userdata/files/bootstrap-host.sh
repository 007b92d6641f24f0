# set_trust has the host's own list of authorities made anew, with those that came with cloud-init or Ignition.
set_trust() {
	if [ ! -e /etc/jeroboam/authorities ]; then return 0; fi
	if command -v update-ca-trust >/dev/null; then
		update-ca-trust
	else
		update-ca-certificates
	fi
}

# set_time has the host take the time from the servers that it was given, and from no others.
set_time() {
	if [ ! -e /etc/jeroboam/ntp ]; then return 0; fi
	local config
	mkdir -p /etc/systemd/timesyncd.conf.d
	{
		echo '[Time]'
		echo "NTP=$(tr '\n' ' ' </etc/jeroboam/ntp)"
	} >/etc/systemd/timesyncd.conf.d/90-jeroboam.conf
	chmod 0644 /etc/systemd/timesyncd.conf.d/90-jeroboam.conf
	for config in /etc/chrony/chrony.conf /etc/chrony.conf; do
		if [ ! -e "$config" ]; then continue; fi
		{
			sed -E '/^(server|pool|peer|sourcedir) /d' "$config"
			sed 's/.*/server & iburst/' /etc/jeroboam/ntp
		} >"$config.jeroboam"
		chmod 0644 "$config.jeroboam"
		mv "$config.jeroboam" "$config"
	done
	systemctl try-restart systemd-timesyncd.service chrony.service chronyd.service || say "the time could not be set going anew"
}

