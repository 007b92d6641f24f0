package kubernetes

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// crash runs a bed in a process of its own and kills that.
func crash(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestAfterACrash$", "-test.v")
	cmd.Env = append(os.Environ(), "JEROBOAM_TEST_CRASH=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	up := false
	for lines := bufio.NewScanner(out); !up && lines.Scan(); {
		up = strings.HasSuffix(lines.Text(), "up")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if !up {
		t.Fatal("the bed that was to be killed did not come up")
	}
}
