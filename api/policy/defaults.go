package policy

// Rule is a rule with its default.
type Rule struct {
	Name  string
	Check string
	// Deprecated is the default from before the reader and member roles; it is allowed too while enforce_new_defaults is false.
	Deprecated string
	Scope      []string // the scopes of tokens that it is meant for; none: any
	Help       string
	Operations []string // method and path
}

const (
	admin        = "rule:context_is_admin"
	member       = "rule:admin_or_project_member"
	memberNoNode = "rule:admin_or_project_member_deny_cluster_user"
	reader       = "rule:admin_or_project_reader"
	readerNoNode = "rule:admin_or_project_reader_deny_cluster_user"

	adminOrOwner = "is_admin:True or project_id:%(project_id)s"
	adminOrUser  = "rule:context_is_admin or rule:is_user"
)

// deprecatedName is what a file of old may call a rule to override the default from before the reader and member roles.
// The prefix belongs to the name: so it is in Magnum.
func (r Rule) deprecatedName() string {
	switch r.Deprecated {
	case adminOrOwner:
		return "rule:admin_or_owner"
	case adminOrUser:
		return "rule:admin_or_user"
	}
	return ""
}

// Rules are all rules of the service with their defaults, those that others refer to first.
func Rules() []Rule {
	all := baseRules()
	for _, rules := range [][]Rule{certificateRules(), clusterRules(), templateRules(), nodeGroupRules(), federationRules(), otherRules()} {
		all = append(all, rules...)
	}
	return all
}

func project() []string { return []string{"project"} }

func ops(operations ...string) []string { return operations }

// baseRules are what the others are made of. Some are alike, and some are never met by our own: Magnum 22 told users of a
// cluster's own from people, and operators' files may name any of them.
func baseRules() []Rule {
	const (
		projectMember  = "(rule:context_is_admin) or (rule:project_member)"
		projectReader  = "(rule:context_is_admin) or (rule:project_reader)"
		memberHimself  = "(rule:context_is_admin) or ((rule:project_member) and (rule:is_user))"
		readerHimself  = "(rule:context_is_admin) or ((rule:project_reader) and (rule:is_user))"
		memberNotAdmin = "(rule:project_member)"
		readerNotAdmin = "(rule:project_reader)"
	)
	return []Rule{
		{Name: "context_is_admin", Check: "role:admin", Help: "Who is an administrator, and sees every project"},
		{Name: "admin_or_owner", Check: adminOrOwner, Help: "Administrators, and whoever acts in the project"},
		{Name: "admin_or_user", Check: "is_admin:True or user_id:%(user_id)s", Help: "Administrators, and the user whose it is"},
		{Name: "is_user", Check: "user_id:%(user_id)s", Help: "The user whose it is"},
		{Name: "cluster_user", Check: "user_id:%(trustee_user_id)s", Help: "The user that Magnum 22 made for a cluster; here nobody is"},
		{Name: "deny_cluster_user", Check: "not domain_id:%(trustee_domain_id)s", Help: "Who is not of the domain of such users; here everybody is"},
		{Name: "user_or_cluster_user", Check: "(rule:is_user) or (rule:cluster_user)", Help: "As is_user"},
		{Name: "admin_or_user_or_cluster_user", Check: "(rule:context_is_admin) or (rule:is_user) or (rule:cluster_user)", Help: "Administrators, and the user whose it is"},
		{Name: "project_member", Check: "role:member and project_id:%(project_id)s", Help: "Members of the project"},
		{Name: "project_reader", Check: "role:reader and project_id:%(project_id)s", Help: "Readers of the project"},
		{Name: "admin_or_project_reader", Check: projectReader, Deprecated: adminOrOwner, Help: "Administrators, and readers of the project"},
		{Name: "admin_or_project_member", Check: projectMember, Deprecated: adminOrOwner, Help: "Administrators, and members of the project"},
		{Name: "admin_or_project_member_user", Check: memberHimself, Deprecated: adminOrUser, Help: "Administrators, and the user whose it is while a member of the project"},
		{Name: "admin_or_project_reader_user", Check: readerHimself, Deprecated: adminOrUser, Help: "Administrators, and the user whose it is while a reader of the project"},
		{Name: "admin_or_project_member_cluster_user", Check: "(rule:context_is_admin) or ((rule:project_member) and (rule:cluster_user))", Help: "Administrators, and a cluster_user who is a member of the project"},
		{Name: "admin_or_project_member_user_or_cluster_user", Check: memberHimself, Deprecated: adminOrUser, Help: "As admin_or_project_member_user"},
		{Name: "project_member_deny_cluster_user", Check: memberNotAdmin, Deprecated: adminOrOwner, Help: "As project_member"},
		{Name: "admin_or_project_member_deny_cluster_user", Check: projectMember, Deprecated: adminOrOwner, Help: "As admin_or_project_member"},
		{Name: "project_reader_deny_cluster_user", Check: readerNotAdmin, Deprecated: adminOrOwner, Help: "As project_reader"},
		{Name: "admin_or_project_reader_deny_cluster_user", Check: projectReader, Deprecated: adminOrOwner, Help: "As admin_or_project_reader"},
	}
}

func certificateRules() []Rule {
	return []Rule{
		{Name: "certificate:create", Check: "rule:admin_or_project_member_user", Scope: project(), Help: "Sign a certificate request by the CA of a cluster", Operations: ops("POST /v1/certificates")},
		{Name: "certificate:get", Check: "rule:admin_or_project_reader_user", Scope: project(), Help: "Show the CA certificate of a cluster", Operations: ops("GET /v1/certificates/{cluster}")},
		{Name: "certificate:rotate_ca", Check: member, Scope: project(), Help: "Replace the CA of a cluster", Operations: ops("PATCH /v1/certificates/{cluster}")},
	}
}

func clusterRules() []Rule {
	return []Rule{
		{Name: "cluster:create", Check: memberNoNode, Scope: project(), Help: "Create a cluster", Operations: ops("POST /v1/clusters")},
		{Name: "cluster:delete", Check: memberNoNode, Scope: project(), Help: "Delete a cluster", Operations: ops("DELETE /v1/clusters/{cluster}", "POST /v1/clusters/{cluster}/actions/delete")},
		{Name: "cluster:delete_all_projects", Check: admin, Help: "Delete a cluster of any project", Operations: ops("DELETE /v1/clusters/{cluster}", "POST /v1/clusters/{cluster}/actions/delete")},
		{Name: "cluster:force_delete", Check: admin, Help: "Delete a cluster whatever the cloud says, and leave behind what does not go; asked besides the rule for deleting it", Operations: ops("POST /v1/clusters/{cluster}/actions/delete")},
		{Name: "cluster:detail", Check: readerNoNode, Scope: project(), Help: "List clusters with all their attributes", Operations: ops("GET /v1/clusters/detail")},
		{Name: "cluster:detail_all_projects", Check: admin, Help: "List clusters of all projects with all their attributes", Operations: ops("GET /v1/clusters/detail")},
		{Name: "cluster:get", Check: readerNoNode, Scope: project(), Help: "Show a cluster", Operations: ops("GET /v1/clusters/{cluster}")},
		{Name: "cluster:get_one_all_projects", Check: admin, Help: "Show a cluster of any project", Operations: ops("GET /v1/clusters/{cluster}")},
		{Name: "cluster:get_all", Check: readerNoNode, Scope: project(), Help: "List clusters", Operations: ops("GET /v1/clusters")},
		{Name: "cluster:get_all_all_projects", Check: admin, Help: "List clusters of all projects", Operations: ops("GET /v1/clusters")},
		{Name: "cluster:update", Check: memberNoNode, Scope: project(), Help: "Change a cluster", Operations: ops("PATCH /v1/clusters/{cluster}")},
		{Name: "cluster:update_health_status", Check: "rule:admin_or_project_member_user_or_cluster_user", Scope: project(), Help: "Change a cluster, its health status included; asked besides cluster:update", Operations: ops("PATCH /v1/clusters/{cluster}")},
		{Name: "cluster:update_all_projects", Check: admin, Help: "Change a cluster of any project", Operations: ops("PATCH /v1/clusters/{cluster}")},
		{Name: "cluster:resize", Check: memberNoNode, Scope: project(), Help: "Change the number of nodes of a cluster", Operations: ops("POST /v1/clusters/{cluster}/actions/resize")},
		{Name: "cluster:upgrade", Check: memberNoNode, Scope: project(), Help: "Upgrade a cluster", Operations: ops("POST /v1/clusters/{cluster}/actions/upgrade")},
		{Name: "cluster:upgrade_all_projects", Check: admin, Help: "Upgrade a cluster of any project", Operations: ops("POST /v1/clusters/{cluster}/actions/upgrade")},
	}
}

func templateRules() []Rule {
	return []Rule{
		{Name: "clustertemplate:create", Check: memberNoNode, Scope: project(), Help: "Create a cluster template", Operations: ops("POST /v1/clustertemplates")},
		{Name: "clustertemplate:delete", Check: member, Scope: project(), Help: "Delete a cluster template", Operations: ops("DELETE /v1/clustertemplates/{clustertemplate}")},
		{Name: "clustertemplate:delete_all_projects", Check: admin, Help: "Delete a cluster template of any project", Operations: ops("DELETE /v1/clustertemplates/{clustertemplate}")},
		{Name: "clustertemplate:detail", Check: readerNoNode, Scope: project(), Help: "List cluster templates with all their attributes", Operations: ops("GET /v1/clustertemplates/detail")},
		{Name: "clustertemplate:detail_all_projects", Check: admin, Help: "List cluster templates of all projects with all their attributes", Operations: ops("GET /v1/clustertemplates/detail")},
		{Name: "clustertemplate:get", Check: readerNoNode, Scope: project(), Help: "Show a cluster template; everybody may see a public one", Operations: ops("GET /v1/clustertemplates/{clustertemplate}")},
		{Name: "clustertemplate:get_one_all_projects", Check: admin, Help: "Show a cluster template of any project", Operations: ops("GET /v1/clustertemplates/{clustertemplate}")},
		{Name: "clustertemplate:get_all", Check: readerNoNode, Scope: project(), Help: "List cluster templates", Operations: ops("GET /v1/clustertemplates")},
		{Name: "clustertemplate:get_all_all_projects", Check: admin, Help: "List cluster templates of all projects", Operations: ops("GET /v1/clustertemplates")},
		{Name: "clustertemplate:update", Check: member, Scope: project(), Help: "Change a cluster template", Operations: ops("PATCH /v1/clustertemplates/{clustertemplate}")},
		{Name: "clustertemplate:update_all_projects", Check: admin, Help: "Change a cluster template of any project", Operations: ops("PATCH /v1/clustertemplates/{clustertemplate}")},
		{Name: "clustertemplate:publish", Check: admin, Help: "Make a cluster template public or hidden", Operations: ops("POST /v1/clustertemplates", "PATCH /v1/clustertemplates/{clustertemplate}")},
	}
}

func nodeGroupRules() []Rule {
	return []Rule{
		{Name: "nodegroup:get", Check: reader, Scope: project(), Help: "Show a node group", Operations: ops("GET /v1/clusters/{cluster}/nodegroups/{nodegroup}")},
		{Name: "nodegroup:get_one_all_projects", Check: admin, Help: "Show a node group of any project", Operations: ops("GET /v1/clusters/{cluster}/nodegroups/{nodegroup}")},
		{Name: "nodegroup:get_all", Check: reader, Scope: project(), Help: "List the node groups of a cluster", Operations: ops("GET /v1/clusters/{cluster}/nodegroups")},
		{Name: "nodegroup:get_all_all_projects", Check: admin, Help: "List the node groups of a cluster of any project", Operations: ops("GET /v1/clusters/{cluster}/nodegroups")},
		{Name: "nodegroup:create", Check: member, Scope: project(), Help: "Add a node group to a cluster", Operations: ops("POST /v1/clusters/{cluster}/nodegroups")},
		{Name: "nodegroup:delete", Check: member, Scope: project(), Help: "Delete a node group", Operations: ops("DELETE /v1/clusters/{cluster}/nodegroups/{nodegroup}")},
		{Name: "nodegroup:update", Check: member, Scope: project(), Help: "Change a node group", Operations: ops("PATCH /v1/clusters/{cluster}/nodegroups/{nodegroup}")},
	}
}

func federationRules() []Rule {
	return []Rule{
		{Name: "federation:create", Check: memberNoNode, Scope: project(), Help: "Create a federation", Operations: ops("POST /v1/federations")},
		{Name: "federation:delete", Check: memberNoNode, Scope: project(), Help: "Delete a federation", Operations: ops("DELETE /v1/federations/{federation}")},
		{Name: "federation:detail", Check: readerNoNode, Scope: project(), Help: "List federations with all their attributes", Operations: ops("GET /v1/federations/detail")},
		{Name: "federation:get", Check: readerNoNode, Scope: project(), Help: "Show a federation", Operations: ops("GET /v1/federations/{federation}")},
		{Name: "federation:get_all", Check: readerNoNode, Scope: project(), Help: "List federations", Operations: ops("GET /v1/federations")},
		{Name: "federation:update", Check: memberNoNode, Scope: project(), Help: "Change a federation", Operations: ops("PATCH /v1/federations/{federation}")},
	}
}

func otherRules() []Rule {
	return []Rule{
		{Name: "credential:rotate", Check: "rule:project_member_deny_cluster_user", Scope: project(), Help: "Replace the credentials that a cluster uses towards the cloud", Operations: ops("PATCH /v1/credentials/{cluster}")},
		{Name: "magnum-service:get_all", Check: admin, Help: "List the conductors", Operations: ops("GET /v1/mservices")},
		{Name: "quota:create", Check: admin, Help: "Set the quota of a project", Operations: ops("POST /v1/quotas")},
		{Name: "quota:delete", Check: admin, Help: "Give a project the default quota again", Operations: ops("DELETE /v1/quotas/{project}/{resource}")},
		{Name: "quota:get", Check: reader, Scope: project(), Help: "Show the quota of a project", Operations: ops("GET /v1/quotas/{project}/{resource}")},
		{Name: "quota:get_all", Check: admin, Help: "List quotas", Operations: ops("GET /v1/quotas")},
		{Name: "quota:update", Check: admin, Help: "Change the quota of a project", Operations: ops("PATCH /v1/quotas/{project}/{resource}")},
		{Name: "stats:get_all", Check: reader, Scope: project(), Help: "Show the number of clusters and nodes", Operations: ops("GET /v1/stats")},
	}
}
