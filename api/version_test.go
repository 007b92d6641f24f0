package api

import (
	"errors"
	"testing"
)

// FuzzMicroversion: a header names a version that we have, or is refused with a 406.
func FuzzMicroversion(f *testing.F) {
	for _, s := range []string{"", "container-infra 1.9", "container-infra latest", "latest", "container-infrastructure-management 1.14", "container-infra 2.1", "container-infra 1.99",
		"container-infra 1.+5", "container-infra -1.-1", "container-infra 99999999999999999999.1", "compute 1.1", "  container-infra   1.1 ", "container-infra 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		minor, err := minorOf(header)
		if err == nil {
			if minor < minMinor || minor > maxMinor {
				t.Errorf("%q is 1.%d", header, minor)
			}
			return
		}
		var version *versionError
		if status, _, _ := classify(err); status != 406 && !errors.As(err, &version) {
			t.Errorf("%q: %v", header, err)
		}
	})
}
