package migrations

const (
	uuid  = " VARCHAR(36) NOT NULL"
	word  = " VARCHAR(255) NOT NULL"
	words = " VARCHAR(255)" // may be null
	count = " INTEGER NOT NULL"
	big   = " BIGINT NOT NULL DEFAULT 0"
	text  = " TEXT! NOT NULL"
	flag  = " BOOL! NOT NULL"
	when  = " TIME! NOT NULL"
	then  = " TIME!"
)

// initial is the first schema.
func initial() []table {
	return append(resources(), []table{
		{"operation", []string{"id ID!", "uuid" + uuid, "cluster_uuid" + uuid, "nodegroup_uuid" + uuid, "project_id" + word, "user_id" + word, "request_id" + word,
			"kind" + word, "scope" + word, "params" + text, "status" + word, "cancel_requested" + flag, "owner" + word, "epoch" + big, "lease_expires_at" + big,
			"wake_at" + big, "ring_at" + big, "state" + text, "fault_class" + word, "fault" + text, "created_at" + when, "started_at" + then, "finished_at" + then},
			[]string{"unique uuid", "cluster_uuid, status", "status, ring_at"}},
		{"scope", []string{"cluster_uuid" + uuid, "scope" + word, "operation_uuid" + uuid, "PRIMARY KEY (cluster_uuid, scope)"}, []string{"operation_uuid"}},
		{"resource", []string{"id ID!", "cluster_uuid" + uuid, "kind VARCHAR(64) NOT NULL", "name" + word, "cloud_id" + word, "node" + word, "operation_uuid" + uuid, "epoch" + big,
			"attrs" + text, "created_at" + when, "updated_at" + then}, []string{"unique cluster_uuid, kind, name", "cloud_id"}},
		{"event", []string{"id ID!", "cluster_uuid" + uuid, "operation_uuid" + uuid, "time" + when, "level" + word, "step" + word, "resource" + word, "message" + text},
			[]string{"cluster_uuid, id"}},
		{"secret", []string{"uuid" + uuid + " PRIMARY KEY", "cluster_uuid" + uuid, "project_id" + word, "name" + word, "sealed BLOB! NOT NULL", "created_at" + when}, []string{"cluster_uuid"}},
		{"quota", []string{"id ID!", "project_id" + word, "resource" + word, "hard_limit" + count, "created_at" + when, "updated_at" + then}, []string{"unique project_id, resource"}},
		{"service", []string{"id ID!", "host" + word, "binary_name" + word, "report_count" + big, "last_seen_up" + when, "disabled" + flag, "disabled_reason" + words,
			"created_at" + when, "updated_at" + then}, []string{"unique host, binary_name"}},
		{"watch", []string{"cluster_uuid" + uuid + " PRIMARY KEY", "health_at" + big, "drift_at" + big, "failures" + count}, []string{"health_at", "drift_at"}},
		{"project", []string{"id" + word + " PRIMARY KEY", "seq" + big}, nil},
	}...)
}

// resources are the tables of what users make.
func resources() []table {
	return []table{
		{"cluster_template", []string{"id ID!", "uuid" + uuid, "project_id" + word, "user_id" + word, "name" + word, "coe" + word, "image_id" + word, "flavor_id" + words,
			"master_flavor_id" + words, "dns_nameserver" + words, "keypair_id" + words, "external_network_id" + words, "fixed_network" + words, "fixed_subnet" + words,
			"network_driver" + word, "apiserver_port INTEGER", "docker_volume_size INTEGER", "docker_storage_driver" + words, "cluster_distro" + word, "http_proxy" + words,
			"https_proxy" + words, "no_proxy" + words, "volume_driver" + words, "registry_enabled" + flag, "insecure_registry" + words, "labels" + text, "tls_disabled" + flag,
			"public" + flag, "hidden" + flag, "server_type" + word, "master_lb_enabled" + flag, "floating_ip_enabled" + flag, "tags" + words, "driver" + words,
			"created_at" + when, "updated_at" + then}, []string{"unique uuid", "project_id", "name"}},
		{"cluster", []string{"id ID!", "seq" + big, "uuid" + uuid, "project_id" + word, "user_id" + word, "name" + word, "cluster_template_id" + uuid, "stack_id" + word, "keypair" + words,
			"ssh_public_key TEXT!", "docker_volume_size INTEGER", "labels" + text, "master_flavor_id" + words, "flavor_id" + words, "create_timeout INTEGER", "discovery_url" + words,
			"fixed_network" + words, "fixed_subnet" + words, "floating_ip_enabled" + flag, "master_lb_enabled" + flag, "spec" + text, "secret_refs" + text, "status" + word,
			"status_reason TEXT!", "health_status" + words, "health_status_reason" + text, "api_address" + words, "coe_version" + words, "container_version" + words,
			"maintenance" + text, "scheduled_at" + then, "created_at" + when, "updated_at" + then}, []string{"unique uuid", "project_id", "name", "cluster_template_id"}},
		{"nodegroup", []string{"id ID!", "uuid" + uuid, "cluster_uuid" + uuid, "project_id" + word, "name" + word, "role" + word, "is_default" + flag, "driver" + word,
			"flavor_id" + word, "image_id" + word, "docker_volume_size INTEGER", "labels" + text, "node_count" + count, "min_node_count" + count, "max_node_count INTEGER",
			"node_labels" + text, "node_taints" + text, "spec" + text, "node_addresses" + text, "version" + words, "status" + word, "status_reason TEXT!", "resume_count INTEGER",
			"healing" + text, "created_at" + when, "updated_at" + then}, []string{"unique uuid", "unique cluster_uuid, name", "project_id"}},
		{"node", []string{"id ID!", "uuid" + uuid, "cluster_uuid" + uuid, "nodegroup_uuid" + uuid, "name" + word, "state" + word, "first" + flag, "host_id" + word, "addresses" + text,
			"ready" + flag, "version" + word, "unhealthy_since" + then, "created_at" + when, "updated_at" + then}, []string{"unique uuid", "unique cluster_uuid, name", "nodegroup_uuid"}},
	}
}
