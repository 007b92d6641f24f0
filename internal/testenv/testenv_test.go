package testenv_test

import (
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// recorder is a testing.TB that notes how a test ended.
type recorder struct {
	testing.TB
	failed, skipped string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// record runs f to its end, or to where it ended the test.
func record(f func(t testing.TB)) *recorder {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r
}

func TestRequire(t *testing.T) {
	const variable = "JEROBOAM_TEST_OF_REQUIRE"
	tests := []struct {
		name             string
		real, value      string
		failed, skipped  bool
		returned, expect string
	}{
		{name: "set", value: "here", expect: "here"},
		{name: "set among real services", real: "1", value: "here", expect: "here"},
		{name: "unset", skipped: true},
		{name: "unset among real services", real: "1", failed: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(testenv.Real, test.real)
			t.Setenv(variable, test.value)
			r := record(func(t testing.TB) { test.returned = testenv.Require(t, variable) })
			if test.returned != test.expect {
				t.Errorf("returned %q, expected %q", test.returned, test.expect)
			}
			if (r.failed != "") != test.failed || (r.skipped != "") != test.skipped {
				t.Errorf("failed: %q, skipped: %q", r.failed, r.skipped)
			}
		})
	}
}

func TestLacks(t *testing.T) {
	for _, real := range []string{"", "1"} {
		t.Setenv(testenv.Real, real)
		r := record(func(t testing.TB) { testenv.Lacks(t, "there is no tool") })
		if (r.failed != "") != (real == "1") || (r.skipped != "") != (real == "") {
			t.Errorf("%q: failed: %q, skipped: %q", real, r.failed, r.skipped)
		}
	}
}

func TestEventually(t *testing.T) {
	asked := 0
	r := record(func(t testing.TB) {
		testenv.Eventually(t, time.Minute, "the third time", func() bool {
			asked++
			return asked == 3
		})
	})
	if r.failed != "" || asked != 3 {
		t.Errorf("asked %d times, failed: %q", asked, r.failed)
	}
	r = record(func(t testing.TB) {
		testenv.Eventually(t, 30*time.Millisecond, "the impossible", func() bool { return false })
	})
	if expect := "waited 30ms in vain for the impossible"; r.failed != expect {
		t.Errorf("failed with %q, expected %q", r.failed, expect)
	}
}

func TestFreePort(t *testing.T) {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
}
