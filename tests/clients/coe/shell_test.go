package coe

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"io"
	"os/exec"
	"testing"
)

//go:embed shell.py
var shell string

// terminal is where commands are typed: one process, which has the client loaded.
type terminal struct {
	dir    string // the working directory
	in     io.WriteCloser
	out    *json.Decoder
	stderr bytes.Buffer
}

// answer is how a command ended.
type answer struct {
	Code     int
	Out, Err string
}

func open(t *testing.T, dir string) *terminal {
	t.Helper()
	x := &terminal{dir: dir}
	cmd := exec.Command("/usr/bin/python3", "-c", shell) // the end of its input is its end, also when we are killed
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + dir, "LC_ALL=C.UTF-8", "PYTHONHASHSEED=0"} // the client sends its tags in the order of a set
	cmd.Stderr = &x.stderr
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the terminal: %v\n%s", err, x.stderr.String())
		}
	})
	x.in, x.out = in, json.NewDecoder(out)
	return x
}

// run has a command typed by whoever has the environment.
func (x *terminal) run(t *testing.T, environment map[string]string, command string) answer {
	t.Helper()
	if err := json.NewEncoder(x.in).Encode(map[string]any{"command": command, "environment": environment}); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	var a answer
	if err := x.out.Decode(&a); err != nil {
		t.Fatalf("%s: the terminal ended: %v", command, err)
	}
	return a
}
