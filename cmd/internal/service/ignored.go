package service

import (
	"maps"

	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

// ignored are the options of Magnum that mean nothing here, and why, so that an operator's file carries over and tells
// what became of each line. A whole group is «group.*».
func ignored() map[string]string {
	const (
		heat     = "there is no Heat"
		rpc      = "there are no remote calls between API and conductor"
		periodic = "clusters are looked after by operations, not by periodic tasks"
		paths    = "there are no Python files to be found"
		process  = "one process uses all CPUs"
		docker   = "Docker Swarm is not supported"
		clients  = "the region, endpoint type and certificates of [keystone_auth] are used for every service"
		capi     = "there is no Cluster API"
		pool     = "connections are pooled by Go's database/sql; see the options of [database] in the sample file"
		amqp     = "RabbitMQ is only rung: its queue, retries and delivery are not to be set"
	)
	out := map[string]string{
		"DEFAULT.control_exchange":            amqp,
		"DEFAULT.rpc_response_timeout":        rpc,
		"DEFAULT.rpc_conn_pool_size":          rpc,
		"DEFAULT.rpc_ping_enabled":            rpc,
		"DEFAULT.executor_thread_pool_size":   rpc,
		"DEFAULT.periodic_enable":             periodic,
		"DEFAULT.periodic_interval_max":       periodic,
		"DEFAULT.tempdir":                     "nothing is written to temporary files",
		"DEFAULT.password_symbols":            "passwords are random and of a fixed form",
		"DEFAULT.max_manifest_size":           "there are no manifests to upload",
		"DEFAULT.rootwrap_config":             "nothing runs as root",
		"DEFAULT.pybasedir":                   paths,
		"DEFAULT.bindir":                      paths,
		"DEFAULT.backdoor_port":               paths,
		"DEFAULT.backdoor_socket":             paths,
		"DEFAULT.run_external_periodic_tasks": periodic,

		"api.workers":          process,
		"api.api_paste_config": "the pipeline is fixed",
		"conductor.topic":      "the queue has a fixed name",

		"database.mysql_engine":          "tables are made for InnoDB",
		"database.mysql_sql_mode":        "the strict mode is always used",
		"database.backend":               pool,
		"database.max_retries":           "systemd starts the service again when the database is away",
		"database.retry_interval":        "systemd starts the service again when the database is away",
		"database.db_max_retries":        "transactions that met another are run again by themselves",
		"database.db_retry_interval":     "transactions that met another are run again by themselves",
		"database.db_max_retry_interval": "transactions that met another are run again by themselves",
		"database.db_inc_retry_interval": "transactions that met another are run again by themselves",
		"database.use_db_reconnect":      pool,
		"database.min_pool_size":         pool,
		"database.pool_timeout":          pool,
		"database.idle_timeout":          pool,
		"database.connection_debug":      pool,
		"database.connection_trace":      pool,
		"database.connection_parameters": "write them into the URL of connection",
		"database.slave_connection":      "every read wants the newest state",
		"database.sqlite_synchronous":    pool,
		"database.mysql_wsrep_sync_wait": "the database's own setting is used",
		"database.synchronous_reader":    pool,

		"oslo_messaging_notifications.*":   "notifications are not sent yet",
		"oslo_concurrency.*":               "there are no lock files",
		"oslo_reports.*":                   "there are no reports on signals",
		"healthcheck.*":                    "the health check is a file: [api] healthcheck_disable_file",
		"cors.*":                           "let the proxy in front answer cross-origin requests",
		"profiler.*":                       "osprofiler is not supported",
		"audit_middleware_notifications.*": "audit events are not sent",
		"service_credentials.*":            clients,

		"certificates.storage_path":                      "keys are not kept in files: cert_manager_type is barbican or x509keypair",
		"cluster.etcd_discovery_service_endpoint_format": "etcd is set up by kubeadm and needs no discovery service",
		"cluster.temp_cache_dir":                         "certificates are not cached in files",
		"cluster.pre_delete_lb_timeout":                  "every step of a deletion has a deadline of its own",
		"kubernetes.*":                                   "not used by clusters that are built with kubeadm",
		"drivers.verify_ca":                              "certificates of the cloud are always verified",
		"drivers.openstack_ca_file":                      "set cafile in [keystone_auth]",
		"drivers.disabled_drivers":                       "name the wanted ones in enabled",
		"drivers.enabled_beta_drivers":                   "name the wanted ones in enabled",
		"drivers.default_driver":                         "the server type of the template chooses the driver",
		"cinder.default_etcd_volume_type":                "etcd is kept on the hosts' own disks",
		"trust.*":                                        "every cluster has a service user instead of a trust: see [service_user]",
		"docker.*":                                       docker,
		"docker_registry.*":                              "there is no registry in Swift",
		"cluster_heat.*":                                 heat,
		"heat_client.*":                                  heat,
		"capi_helm.*":                                    capi,
		"capi_helm_cluster_labels.*":                     capi,
		"capi_client.*":                                  capi,
		"auto_scaling.*":                                 capi,
		"proxy.*":                                        capi,
		"nova_client.*":                                  clients,
		"neutron_client.*":                               clients,
		"glance_client.*":                                clients,
		"cinder_client.*":                                clients,
		"octavia_client.*":                               clients,
		"barbican_client.*":                              clients,
		"manila_client.*":                                clients,
		"magnum_client.*":                                clients,
		"keystone_client.*":                              clients,
		"oslo_limit.*":                                   "quotas are our own: [quotas] max_clusters_per_project",
	}
	for _, name := range []string{"rabbit_quorum_queue", "rabbit_transient_quorum_queue", "amqp_durable_queues", "amqp_auto_delete", "rabbit_ha_queues",
		"rabbit_retry_backoff", "rabbit_quorum_delivery_limit", "rabbit_quorum_max_memory_length", "rabbit_quorum_max_memory_bytes",
		"rabbit_transient_queues_ttl", "rabbit_qos_prefetch_count", "rabbit_login_method", "rabbit_stream_fanout", "heartbeat_rate", "heartbeat_in_pthread",
		"direct_mandatory_flag", "enable_cancel_on_failover", "kombu_reconnect_delay", "kombu_reconnect_splay", "kombu_missing_consumer_retry_timeout",
		"kombu_failover_strategy", "kombu_compression", "use_queue_manager", "hostname", "processname", "conn_pool_min_size", "conn_pool_ttl",
		"rpc_conn_pool_size", "ssl_version", "ssl_enforce_fips_mode"} {
		out["oslo_messaging_rabbit."+name] = amqp
	}
	for _, name := range []string{"http_basic_auth_user_file", "max_request_body_size", "secure_proxy_ssl_header"} {
		out["oslo_middleware."+name] = "the limit of bodies and the headers of proxies are fixed"
	}
	for _, name := range []string{"remote_content_type", "remote_ssl_verify_server_crt", "remote_ssl_ca_crt_file", "remote_ssl_client_crt_file",
		"remote_ssl_client_key_file", "remote_timeout"} {
		out["oslo_policy."+name] = "rules are not asked of another server"
	}
	maps.Copy(out, log.Ignored())
	return out
}
