package service

import (
	"maps"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/ironic"
	"github.com/jeroboam-cloud/jeroboam/drivers/vm"
)

// makeMachines makes a driver of machines.
type makeMachines func(cfg *Config, clouds *cloud.Factory, network drivers.Infrastructure, duplicate func(kind, id string)) drivers.Machines

// knownDrivers is the list of drivers of machines that this binary has. One from elsewhere is added here.
func knownDrivers() map[string]makeMachines {
	return map[string]makeMachines{
		vm.Name: func(_ *Config, c *cloud.Factory, n drivers.Infrastructure, d func(kind, id string)) drivers.Machines {
			return vm.New(c, n, d)
		},
		ironic.Name: func(cfg *Config, c *cloud.Factory, n drivers.Infrastructure, d func(kind, id string)) drivers.Machines {
			return ironic.New(cfg.Ironic.driver(), c, n, d)
		},
	}
}

func driverNames() []string { return slices.Sorted(maps.Keys(knownDrivers())) }
