package db_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// TestMariaDBOverTLS: the server's certificate is verified by the authority that is named, and by no other.
func TestMariaDBOverTLS(t *testing.T) {
	server := testenv.Require(t, testenv.MariaDBURL)
	file := testenv.Require(t, testenv.MariaDBCAFile)
	other := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(other, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, query, want string }{
		{"by its authority", "ssl_ca=" + url.QueryEscape(file), ""},
		{"by the system's authorities", "ssl=true", "certificate"},
		{"a file without certificates", "ssl_ca=" + url.QueryEscape(other), "has no certificate in PEM form"},
		{"no file", "ssl_ca=/nonexistent", "ssl_ca: open /nonexistent"},
		{"no key", "ssl_cert=" + url.QueryEscape(file), "ssl_cert and ssl_key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := db.Open(t.Context(), db.Config{Connection: strings.TrimSuffix(server, "/") + "/mysql?" + tc.query, MaxPoolSize: 1})
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%v, expected %q", err, tc.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if cipher, err := s.Text(t.Context(), "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'"); err != nil || cipher == "" {
				t.Errorf("cipher %q, %v", cipher, err)
			}
		})
	}
}

// TestSilentDatabasesAreNoticed: the kernel ends connections whose other side is gone without a word.
func TestSilentDatabasesAreNoticed(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *db.Store{testenv.MariaDBURL: dbtest.MariaDB, testenv.PostgreSQLURL: dbtest.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(testenv.Require(t, name))
			if err != nil {
				t.Fatal(err)
			}
			open(t)
			timeouts := socketTimeouts(t, u.Port())
			if len(timeouts) == 0 {
				t.Error("there is no connection")
			}
			for _, ms := range timeouts {
				if ms != 30000 {
					t.Errorf("what was sent may stay unacknowledged for %d ms", ms)
				}
			}
		})
	}
}

// socketTimeouts reads TCP_USER_TIMEOUT of this process's connections to a port.
func socketTimeouts(t *testing.T, port string) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		peer, err := unix.Getpeername(fd)
		if err != nil {
			continue // no socket, or one that is not connected
		}
		if v4, ok := peer.(*unix.SockaddrInet4); ok && strconv.Itoa(v4.Port) == port {
			ms, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, ms)
		}
	}
	return out
}
