package cloud

import (
	"slices"
	"testing"
	"time"
)

func TestFlavorMachine(t *testing.T) {
	for _, tc := range []struct {
		name   string
		extra  map[string]string
		class  string
		traits int
		ok     bool
	}{
		{"a class", map[string]string{"resources:CUSTOM_GOLD": "1", "resources:VCPU": "0", "resources:MEMORY_MB": "0"}, "CUSTOM_GOLD", 0, true},
		{"with traits", map[string]string{"resources:CUSTOM_GOLD": "1", "trait:HW_CPU_X86_VMX": "required", "trait:CUSTOM_RAID1": "required", "hw:cpu_policy": "dedicated"}, "CUSTOM_GOLD", 2, true},
		{"of servers", map[string]string{"hw:cpu_policy": "dedicated"}, "", 0, false},
		{"two of it", map[string]string{"resources:CUSTOM_GOLD": "2"}, "", 0, false},
		{"two classes", map[string]string{"resources:CUSTOM_GOLD": "1", "resources:CUSTOM_SILVER": "1"}, "", 0, false},
		{"a trait that may not be", map[string]string{"resources:CUSTOM_GOLD": "1", "trait:CUSTOM_OLD": "forbidden"}, "", 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := Flavor{ExtraSpecs: tc.extra}.Machine()
			if (err == nil) != tc.ok || m.ResourceClass != tc.class || len(m.Traits) != tc.traits {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

func TestLacks(t *testing.T) {
	for _, tc := range []struct {
		name, deploy string
		properties   map[string]string
		want         []string
	}{
		{"written to a disk", "direct", nil, nil},
		{"with both", RamdiskDeploy, map[string]string{"kernel_id": "k", "ramdisk_id": "r"}, nil},
		{"with one", RamdiskDeploy, map[string]string{"kernel_id": "k"}, []string{"ramdisk_id"}},
		{"with an empty one", RamdiskDeploy, map[string]string{"kernel_id": "", "ramdisk_id": "r"}, []string{"kernel_id"}},
		{"with neither", RamdiskDeploy, nil, []string{"kernel_id", "ramdisk_id"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := (BaremetalNode{DeployInterface: tc.deploy}).Lacks(ImageInfo{Properties: tc.properties}); !slices.Equal(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestMachineFits(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	free := BaremetalNode{ResourceClass: "baremetal.gold-1", State: "available", PowerState: "power off", Traits: []string{"A", "B"}}
	avoid := func(until time.Time) map[string]any {
		return map[string]any{AvoidKey: map[string]any{"until": until.Format(time.RFC3339), "reason": "the disk is broken"}}
	}
	for _, tc := range []struct {
		name   string
		change func(*BaremetalNode)
		fits   bool
		usable bool
	}{
		{"as it should be", func(*BaremetalNode) {}, true, true},
		{"another class", func(n *BaremetalNode) { n.ResourceClass = "silver" }, false, true},
		{"without a trait", func(n *BaremetalNode) { n.Traits = []string{"A"} }, false, true},
		{"in maintenance", func(n *BaremetalNode) { n.Maintenance = true }, true, false},
		{"with a fault", func(n *BaremetalNode) { n.Fault = "power failure" }, true, false},
		{"retired", func(n *BaremetalNode) { n.Retired = true }, true, false},
		{"not cleaned", func(n *BaremetalNode) { n.State = "clean failed" }, true, false},
		{"somebody's", func(n *BaremetalNode) { n.InstanceID = "i" }, true, false},
		{"without known power", func(n *BaremetalNode) { n.PowerState = "" }, true, false},
		{"avoided", func(n *BaremetalNode) { n.Extra = avoid(now.Add(time.Hour)) }, true, false},
		{"avoided long ago", func(n *BaremetalNode) { n.Extra = avoid(now.Add(-time.Hour)) }, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := free
			tc.change(&n)
			m := Machine{ResourceClass: "CUSTOM_BAREMETAL_GOLD_1", Traits: []string{"A", "B"}}
			if m.Fits(n) != tc.fits || (n.Unusable(now) == "") != tc.usable {
				t.Errorf("fits %v, unusable %q", m.Fits(n), n.Unusable(now))
			}
		})
	}
}
