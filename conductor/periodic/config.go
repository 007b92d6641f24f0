package periodic

import "time"

// Config is group [periodic].
type Config struct {
	DriftInterval time.Duration `opt:"drift_interval" default:"1800" min:"0" unit:"s" help:"How often what is recorded of a cluster is compared with the cloud; 0: never. What was deleted by somebody is put back"`
	HealAfter     time.Duration `opt:"heal_after" default:"300" min:"1" unit:"s" help:"How long a node must have been unhealthy before it is healed, in node groups with label auto_healing_enabled"`
	HealShare     int           `opt:"heal_share" default:"34" min:"1" max:"100" help:"Percent of a node group that are healed at once, but always one node"`
	HealPerHour   int           `opt:"heal_per_hour" default:"5" min:"1" help:"How many nodes of a node group are healed within an hour"`
	Parallel      int           `opt:"parallel" default:"32" min:"1" help:"How many clusters one conductor looks at side by side"`
}

// KubernetesConfig is group [kubernetes]: its name and the option's are Magnum's.
type KubernetesConfig struct {
	HealthInterval time.Duration `opt:"health_polling_interval" default:"60" min:"1" unit:"s" help:"How often the health of a cluster is looked at. One conductor does it, spread over the time"`
}
