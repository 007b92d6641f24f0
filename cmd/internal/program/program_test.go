package program_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/program"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/service"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

const limit = 30 * time.Second

// config writes a configuration with these lines; no service that it names is up.
func config(t *testing.T, extra string) (path, connection string) {
	t.Helper()
	dir := t.TempDir()
	connection = "sqlite:///" + filepath.Join(dir, "jeroboam.sqlite")
	path = filepath.Join(dir, "jeroboam.conf")
	text := "[DEFAULT]\ntransport_url = rabbit://guest:guest@127.0.0.1:1/\nlog_file = " + filepath.Join(dir, "log") + "\n[database]\nconnection = " + connection +
		"\n[keystone_authtoken]\nauth_url = http://127.0.0.1:1/v3\nusername = jeroboam\npassword = secret\n" + extra
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, connection
}

func upgrade(t *testing.T, connection string) {
	t.Helper()
	s, err := db.Open(t.Context(), db.Config{Connection: connection, MaxPoolSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Upgrade(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func apiProgram() program.Program {
	return program.Program{Name: "jeroboam-api", About: "Serves.", Start: func(s *service.Service) (program.Runner, error) { return s.API(nil) }}
}

func conductorProgram() program.Program {
	return program.Program{Name: "jeroboam-conductor", About: "Works.", Start: func(s *service.Service) (program.Runner, error) { return s.Conductor() }}
}

// Both programs come up without broker and Keystone, answer, and end in order when they are told to.
func TestStartAndStop(t *testing.T) {
	for _, x := range []struct {
		name    string
		program program.Program
		config  string
		path    string
		status  int
		answer  string
	}{
		{"api", apiProgram(), "[api]\nport = %d\n", "/healthcheck", http.StatusOK, "OK"},
		{"api without token", apiProgram(), "[api]\nport = %d\n", "/v1/clusters", http.StatusUnauthorized, ""},
		{"conductor without broker", conductorProgram(), "[conductor]\nmetrics_port = %d\n", "/healthcheck", http.StatusServiceUnavailable, "RabbitMQ"},
		{"metrics of the conductor", conductorProgram(), "[conductor]\nmetrics_port = %d\n", "/metrics", http.StatusOK, "jeroboam_claim_delay_seconds"},
	} {
		t.Run(x.name, func(t *testing.T) {
			port := testenv.FreePort(t)
			path, connection := config(t, fmt.Sprintf(x.config, port))
			upgrade(t, connection)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var out, errs bytes.Buffer
			code := make(chan int, 1)
			go func() { code <- x.program.Run(ctx, []string{"--config-file", path}, nil, &out, &errs) }()
			var status int
			var body string
			testenv.Eventually(t, limit, "an answer", func() bool {
				select {
				case c := <-code:
					t.Fatalf("it ended with %d: %s", c, errs.String())
				default:
				}
				status, body = get(fmt.Sprintf("http://127.0.0.1:%d%s", port, x.path))
				return status != 0
			})
			if status != x.status || !strings.Contains(body, x.answer) {
				t.Errorf("HTTP %d, expected %d with %q: %s", status, x.status, x.answer, body)
			}
			cancel()
			if c := <-code; c != 0 {
				t.Errorf("exit code %d: %s", c, errs.String())
			}
		})
	}
}

// get is 0 while nobody answers.
func get(url string) (int, string) {
	r, err := (&http.Client{Timeout: limit}).Get(url) //nolint:noctx // bounded by its time-out
	if err != nil {
		return 0, ""
	}
	defer r.Body.Close()
	var b bytes.Buffer
	_, _ = b.ReadFrom(r.Body)
	return r.StatusCode, b.String()
}

func TestRefusals(t *testing.T) {
	empty, _ := config(t, "")
	wrong, _ := config(t, "[api]\nport = x\n[drivers]\nenabled = magic\n")
	for _, x := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"an empty database", []string{"--config-file", empty}, 1, []string{"jeroboam-manage db upgrade"}},
		{"every mistake at once", []string{"--config-file", wrong}, 1, []string{"port", "magic"}},
		{"a file that is not there", []string{"--config-file", "/nonexistent"}, 1, []string{"no such file"}},
		{"an unknown option", []string{"--conf", "x"}, 2, []string{"-conf"}},
		{"an argument", []string{"start"}, 2, []string{`unexpected argument "start"`}},
		{"help", []string{"--help"}, 0, []string{"-config-file FILE", "OS_GROUP__NAME"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if code := apiProgram().Run(t.Context(), x.args, nil, &out, &errs); code != x.code {
				t.Errorf("exit code %d, expected %d", code, x.code)
			}
			for _, want := range x.want {
				if !strings.Contains(errs.String(), want) {
					t.Errorf("%q is not told: %s", want, errs.String())
				}
			}
			if strings.Contains(errs.String(), "panic") {
				t.Error(errs.String())
			}
		})
	}
}
