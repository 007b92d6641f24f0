package infra

import (
	"testing"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

func TestChooseAddress(t *testing.T) {
	subnet := cloud.Subnet{ID: "s", Pools: []cloud.Range{{Start: "10.0.0.2", End: "10.0.0.254"}}}
	a, err := chooseAddress(subnet, nil, "cluster-a")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := chooseAddress(subnet, nil, "cluster-a"); again != a {
		t.Errorf("the choice is not stable: %s, then %s", a, again)
	}
	if b, _ := chooseAddress(subnet, map[string]bool{a: true}, "cluster-a"); b == a || b == "" {
		t.Errorf("an address in use was chosen: %q", b)
	}
	tiny := cloud.Subnet{ID: "t", Pools: []cloud.Range{{Start: "10.0.0.2", End: "10.0.0.3"}}}
	if a, err := chooseAddress(tiny, map[string]bool{"10.0.0.3": true}, "x"); err != nil || a != "10.0.0.2" {
		t.Errorf("in a tiny pool: %q, %v", a, err)
	}
	if _, err := chooseAddress(tiny, map[string]bool{"10.0.0.2": true, "10.0.0.3": true}, "x"); err == nil {
		t.Error("a full pool has an address")
	}
}
