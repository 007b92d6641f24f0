package service

import (
	"maps"

	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

// Reasons that several options share.
const (
	noHeat      = "there is no Heat"
	noRPC       = "there are no remote calls between API and conductor"
	noPeriodic  = "what is looked at how often is set in [kubernetes] and [periodic]"
	noManifests = "not used by clusters that are built with kubeadm"
	noPaths     = "it is not written in Python"
	noProcess   = "one process uses all CPUs"
	noDocker    = "Docker Swarm is not supported"
	noClients   = "the region, endpoint type and certificates of [keystone_auth] are used for every service"
	noCAPI      = "there is no Cluster API"
	noPool      = "connections are pooled by Go's database/sql; see the options of [database] in the sample file"
	noAMQP      = "RabbitMQ is only rung: its queue, retries and delivery are not to be set"
)

// ignored are the options of Magnum that mean nothing here, and why, so that an operator's file carries over and tells
// what became of each line. A whole group is «group.*».
func ignored() map[string]string {
	out := ignoredOptions()
	maps.Copy(out, ignoredGroups())
	for _, name := range []string{"rabbit_transient_quorum_queue", "rabbit_ha_queues", "rabbit_retry_backoff",
		"rabbit_transient_queues_ttl", "rabbit_qos_prefetch_count", "rabbit_login_method", "rabbit_stream_fanout", "heartbeat_rate", "heartbeat_in_pthread",
		"direct_mandatory_flag", "enable_cancel_on_failover", "kombu_reconnect_delay", "kombu_reconnect_splay", "kombu_missing_consumer_retry_timeout",
		"kombu_failover_strategy", "kombu_compression", "use_queue_manager", "hostname", "processname", "conn_pool_min_size", "conn_pool_ttl",
		"rpc_conn_pool_size", "ssl_version", "ssl_enforce_fips_mode"} {
		out["oslo_messaging_rabbit."+name] = noAMQP
	}
	for _, name := range []string{"http_basic_auth_user_file", "max_request_body_size", "secure_proxy_ssl_header"} {
		out["oslo_middleware."+name] = "the limit of bodies and the headers of proxies are fixed"
	}
	for _, name := range []string{"remote_content_type", "remote_ssl_verify_server_crt", "remote_ssl_ca_crt_file", "remote_ssl_client_crt_file",
		"remote_ssl_client_key_file", "remote_timeout"} {
		out["oslo_policy."+name] = "rules are not asked of another server"
	}
	for _, name := range []string{"memcached_servers", "memcache_security_strategy", "memcache_secret_key", "memcache_pool_dead_retry", "memcache_pool_maxsize",
		"memcache_pool_socket_timeout", "memcache_pool_unused_timeout", "memcache_pool_conn_get_timeout", "memcache_use_advanced_pool", "memcache_sasl_enabled",
		"memcache_username", "memcache_password", "memcache_tls_enabled", "cache"} {
		out["keystone_authtoken."+name] = "validated tokens are kept in memory"
	}
	for _, name := range []string{"auth_version", "identity_uri", "delay_auth_decision", "include_service_catalog", "enforce_token_bind", "hash_algorithms",
		"http_request_max_retries", "service_type", "service_token_roles_fallback"} {
		out["keystone_authtoken."+name] = "how tokens are validated is fixed"
	}
	maps.Copy(out, log.Ignored())
	return out
}

// ignoredOptions are of the services themselves.
func ignoredOptions() map[string]string {
	return map[string]string{
		"DEFAULT.rpc_response_timeout":        noRPC,
		"DEFAULT.rpc_conn_pool_size":          noRPC,
		"DEFAULT.rpc_ping_enabled":            noRPC,
		"DEFAULT.executor_thread_pool_size":   noRPC,
		"DEFAULT.periodic_enable":             noPeriodic,
		"DEFAULT.periodic_interval_max":       noPeriodic,
		"DEFAULT.tempdir":                     "nothing is written to temporary files",
		"DEFAULT.password_symbols":            "passwords are random and of a fixed form",
		"DEFAULT.max_manifest_size":           "there are no manifests to upload",
		"DEFAULT.rootwrap_config":             "nothing runs as root",
		"DEFAULT.pybasedir":                   noPaths,
		"DEFAULT.bindir":                      noPaths,
		"DEFAULT.backdoor_port":               noPaths,
		"DEFAULT.backdoor_socket":             noPaths,
		"DEFAULT.run_external_periodic_tasks": noPeriodic,

		"api.workers":          noProcess,
		"api.api_paste_config": "the pipeline is fixed",
		"conductor.topic":      "the queue has a fixed name",
		"conductor.workers":    noProcess,

		"database.mysql_engine":          "tables are made for InnoDB",
		"database.mysql_sql_mode":        "the strict mode is always used",
		"database.backend":               noPool,
		"database.max_retries":           "systemd starts the service again when the database is away",
		"database.retry_interval":        "systemd starts the service again when the database is away",
		"database.db_max_retries":        "transactions that met another are run again by themselves",
		"database.db_retry_interval":     "transactions that met another are run again by themselves",
		"database.db_max_retry_interval": "transactions that met another are run again by themselves",
		"database.db_inc_retry_interval": "transactions that met another are run again by themselves",
		"database.use_db_reconnect":      noPool,
		"database.min_pool_size":         noPool,
		"database.pool_timeout":          noPool,
		"database.idle_timeout":          noPool,
		"database.connection_debug":      noPool,
		"database.connection_trace":      noPool,
		"database.connection_parameters": "write them into the URL of connection",
		"database.slave_connection":      "every read wants the newest state",
		"database.sqlite_synchronous":    noPool,
		"database.mysql_wsrep_sync_wait": "the database's own setting is used",
		"database.synchronous_reader":    noPool,
	}
}

// ignoredGroups are of the libraries, drivers and clients that Magnum has.
func ignoredGroups() map[string]string {
	return map[string]string{
		"oslo_messaging_notifications.retry": "a notification is tried again until max_age has passed",
		"oslo_concurrency.*":                 "there are no lock files",
		"oslo_reports.*":                     "there are no reports on signals",
		"healthcheck.*":                      "the health check is a file: [api] healthcheck_disable_file",
		"profiler.*":                         "osprofiler is not supported",
		"audit_middleware_notifications.*":   "audit events are not sent",
		"service_credentials.*":              noClients,

		"certificates.storage_path":                      "keys are not kept in files: cert_manager_type is barbican or x509keypair",
		"cluster.etcd_discovery_service_endpoint_format": "etcd is set up by kubeadm and needs no discovery service",
		"cluster.temp_cache_dir":                         "certificates are not cached in files",
		"cluster.pre_delete_lb_timeout":                  "every step of a deletion has a deadline of its own",
		"kubernetes.keystone_auth_default_policy":        noManifests,
		"kubernetes.post_install_manifest_url":           noManifests,
		"drivers.verify_ca":                              "certificates of the cloud are always verified",
		"drivers.disabled_drivers":                       "name the wanted ones in enabled",
		"drivers.enabled_beta_drivers":                   "name the wanted ones in enabled",
		"drivers.default_driver":                         "the server type of the template chooses the driver",
		"cinder.default_etcd_volume_type":                "etcd is kept on the hosts' own disks",
		"trust.*":                                        "every cluster has a service user instead of a trust: see [service_user]",
		"docker.*":                                       noDocker,
		"docker_registry.*":                              "there is no registry in Swift",
		"cluster_heat.*":                                 noHeat,
		"heat_client.*":                                  noHeat,
		"capi_helm.*":                                    noCAPI,
		"capi_helm_cluster_labels.*":                     noCAPI,
		"capi_client.*":                                  noCAPI,
		"auto_scaling.*":                                 noCAPI,
		"proxy.*":                                        noCAPI,
		"nova_client.*":                                  noClients,
		"neutron_client.*":                               noClients,
		"glance_client.*":                                noClients,
		"cinder_client.*":                                noClients,
		"octavia_client.*":                               noClients,
		"barbican_client.*":                              noClients,
		"manila_client.*":                                noClients,
		"magnum_client.*":                                noClients,
		"keystone_client.*":                              noClients,
		"oslo_limit.*":                                   "quotas are our own: [quotas] max_clusters_per_project",
	}
}
