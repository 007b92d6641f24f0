package testenv

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// commandTimeout bounds one command to the services script: a broker on a busy machine takes about ten seconds.
const commandTimeout = 2 * time.Minute

// Broker is a RabbitMQ for one test alone. Tests that take the broker away use their own, for the one that
// RabbitMQURL names is shared with packages that are tested at the same time.
type Broker struct {
	// URL, TLSURL and CAFile are as RabbitMQURL, RabbitMQTLSURL and RabbitMQCAFile describe them. They stay the same
	// from Stop to Start.
	URL, TLSURL, CAFile string

	script, dir string
}

// StartBroker starts a broker that ends with the test.
func StartBroker(t testing.TB) *Broker {
	t.Helper()
	script := Require(t, Services)
	// Inside the folder of the shared services, with which it goes even if this process is killed.
	dir, err := os.MkdirTemp(os.Getenv("JEROBOAM_SERVICES_DIR"), "more.")
	if err != nil {
		t.Fatalf("make a folder for a broker: %v", err)
	}
	b := &Broker{script: script, dir: dir}
	t.Cleanup(func() {
		if _, err := os.Stat(dir); err == nil {
			b.command(t, "down")
		}
	})
	vars := parseExports(b.command(t, "up", "rabbitmq"))
	b.URL, b.TLSURL, b.CAFile = vars[RabbitMQURL], vars[RabbitMQTLSURL], vars[RabbitMQCAFile]
	return b
}

// Stop shuts the broker down; connections break. What it has stored it keeps.
func (b *Broker) Stop(t testing.TB) {
	t.Helper()
	b.command(t, "rabbitmq", "stop")
}

// Kill ends the broker as a crash would.
func (b *Broker) Kill(t testing.TB) {
	t.Helper()
	b.command(t, "rabbitmq", "kill")
}

// Start brings the broker back on the same ports, and returns once it speaks.
func (b *Broker) Start(t testing.TB) {
	t.Helper()
	b.command(t, "rabbitmq", "start")
}

// Ctl runs rabbitmqctl against the broker and returns what it prints.
func (b *Broker) Ctl(t testing.TB, args ...string) string {
	t.Helper()
	return b.command(t, append([]string{"rabbitmq", "ctl", "-q"}, args...)...)
}

// command runs the services script on the broker's folder.
func (b *Broker) command(t testing.TB, args ...string) string {
	t.Helper()
	// Not the context of the test: that one is over when cleanups run.
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.script, args...)
	cmd.Env = append(os.Environ(), "JEROBOAM_SERVICES_DIR="+b.dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("services %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out)
}

// parseExports reads lines of the form: export NAME='value'.
func parseExports(text string) map[string]string {
	vars := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "="); ok {
			vars[name] = strings.Trim(value, "'")
		}
	}
	return vars
}
