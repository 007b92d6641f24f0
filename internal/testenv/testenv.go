// Package testenv is how tests meet real services: RabbitMQ, MariaDB, PostgreSQL and Keystone, which
// `make test` starts and names in the environment. Under plain `go test` a test that needs one of them is skipped.
package testenv

import (
	"net"
	"os"
	"testing"
	"time"
)

// What `make test` puts into the environment.
const (
	// Real is "1" when the real services are up: from then on a test that misses one fails.
	Real = "JEROBOAM_TEST_REAL"
	// Services is the path of the script that runs the services.
	Services = "JEROBOAM_TEST_SERVICES"

	// MariaDBURL is mysql+pymysql://user:password@host:port/ with a user who may create databases.
	MariaDBURL = "JEROBOAM_TEST_MARIADB_URL"
	// MariaDBCAFile holds the certificate of the CA that signed the server's.
	MariaDBCAFile = "JEROBOAM_TEST_MARIADB_CAFILE"
	// PostgreSQLURL is postgresql://user:password@host:port/postgres?sslmode=disable with a superuser.
	PostgreSQLURL = "JEROBOAM_TEST_POSTGRESQL_URL"
	// RabbitMQURL is rabbit://user:password@host:port/ with an administrator.
	RabbitMQURL = "JEROBOAM_TEST_RABBITMQ_URL"
	// RabbitMQTLSURL is the same broker over TLS, with ?ssl=true.
	RabbitMQTLSURL = "JEROBOAM_TEST_RABBITMQ_TLS_URL"
	// RabbitMQCAFile holds the certificate of the CA that signed the broker's.
	RabbitMQCAFile = "JEROBOAM_TEST_RABBITMQ_CAFILE"
	// KeystoneURL ends in /v3.
	KeystoneURL = "JEROBOAM_TEST_KEYSTONE_URL"
	// OpenStack is the path of the script that runs a whole cloud of real services: `make test-openstack`.
	OpenStack = "JEROBOAM_TEST_OPENSTACK"
	// OpenStackPort is where that cloud's catalogue says that Jeroboam's API is, on 127.0.0.1.
	OpenStackPort = "JEROBOAM_TEST_OPENSTACK_JEROBOAM_PORT"
	// GuestKernel is the file of a package of Debian's, for virtual machines: a kernel and its modules.
	GuestKernel = "JEROBOAM_TEST_GUEST_KERNEL"
	// KeystoneAdminPassword is that of user admin in project admin, both in domain Default.
	KeystoneAdminPassword = "JEROBOAM_TEST_KEYSTONE_ADMIN_PASSWORD"
)

// Require returns the value of an environment variable. Where it is unset the test ends: failed when real services are
// promised, skipped otherwise.
func Require(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	switch {
	case value != "":
	case os.Getenv(Real) == "1":
		t.Fatalf("%s is not set, although %s=1 promises every service", name, Real)
	default:
		t.Skipf("NOT TESTED: %s is not set; `make test` starts the real services and runs this", name)
	}
	return value
}

// Eventually polls until cond is true and fails the test when timeout passes first. The parameter what completes the
// sentence "waited for …". It is the one place where tests poll; cond runs on the goroutine of the test.
func Eventually(t testing.TB, timeout time.Duration, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			// A machine under load may not have asked for a while: the last word is cond's.
			if !cond() {
				t.Fatalf("waited %v in vain for %s", timeout, what)
			}
			return
		}
	}
}

// FreePort returns a loopback TCP port on which nobody listens.
func FreePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

// Lacks ends a test for which the machine lacks something: it fails where `make test` has installed all of it.
func Lacks(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(Real) == "1" {
		t.Fatalf("%s, although %s=1 promises it", what, Real)
	}
	t.Skipf("NOT TESTED: %s; `make test` installs it and runs this", what)
}
