package main

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// call runs the program.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = manage{stdout: &out, stderr: &errs}.run(t.Context(), args)
	return code, out.String(), errs.String()
}

// The samples in etc are those of the present code; `make generate` writes them.
func TestSamplesAreUpToDate(t *testing.T) {
	for _, x := range []struct{ command, file string }{{"sample-config", "jeroboam.conf.sample"}, {"sample-policy", "policy.yaml.sample"}} {
		t.Run(x.command, func(t *testing.T) {
			code, out, errs := call(t, x.command)
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, errs)
			}
			want, err := os.ReadFile(filepath.Join("..", "..", "etc", x.file))
			if err != nil {
				t.Fatal(err)
			}
			if out != string(want) {
				t.Errorf("etc/%s is out of date: run make generate", x.file)
			}
			file := filepath.Join(t.TempDir(), "sample")
			if code, _, errs := call(t, x.command, "--output", file); code != 0 {
				t.Fatalf("exit code %d: %s", code, errs)
			}
			if written, err := os.ReadFile(file); err != nil || string(written) != out {
				t.Errorf("--output wrote something else, %v", err)
			}
		})
	}
}

func TestDatabase(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "jeroboam.conf")
	if err := os.WriteFile(conf, []byte("[database]\nconnection = sqlite:///"+filepath.Join(t.TempDir(), "jeroboam.sqlite")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name   string
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{"check an empty one", []string{"db", "check", "--config-file", conf}, 1, "", "jeroboam-manage db upgrade"},
		{"version of an empty one", []string{"db", "version", "--config-file", conf}, 0, "current none", ""},
		{"upgrade", []string{"--config-file", conf, "db", "upgrade"}, 0, "applied ", ""},
		{"upgrade again", []string{"db", "upgrade", "--config-file", conf}, 0, "nothing to do", ""},
		{"check", []string{"db", "check", "--config-file", conf}, 0, "up to date", ""},
		{"version", []string{"db", "version", "--config-file", conf}, 0, "latest", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			code, out, errs := call(t, x.args...)
			if code != x.code || !strings.Contains(out, x.stdout) || !strings.Contains(errs, x.stderr) || (code == 0) != (errs == "") {
				t.Errorf("exit code %d, %q, %q", code, out, errs)
			}
		})
	}
}

func TestKey(t *testing.T) {
	_, one, _ := call(t, "genkey")
	_, two, _ := call(t, "genkey")
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(one)); err != nil || len(raw) != 32 || one == two {
		t.Errorf("keys %q and %q, %v", one, two, err)
	}
}

func TestUsage(t *testing.T) {
	for _, x := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no command", nil, 2, "a command is needed"},
		{"an unknown one", []string{"upgrade"}, 2, `no command "upgrade"`},
		{"half of one", []string{"db"}, 2, "upgrade, version, check"},
		{"an argument too many", []string{"genkey", "now"}, 2, `unexpected argument "now"`},
		{"an unknown option", []string{"db", "check", "--conf", "x"}, 2, "-conf"},
		{"a file that is not there", []string{"db", "check", "--config-file", "/nonexistent"}, 1, "no such file"},
		{"help", []string{"--help"}, 0, "sample-config"},
		{"help of a command", []string{"sample-config", "--help"}, 0, "-output FILE"},
	} {
		t.Run(x.name, func(t *testing.T) {
			code, _, errs := call(t, x.args...)
			if code != x.code || !strings.Contains(errs, x.want) {
				t.Errorf("exit code %d, expected %d: %s", code, x.code, errs)
			}
		})
	}
	if code, out, _ := call(t, "--version"); code != 0 || !strings.HasPrefix(out, "jeroboam-manage ") {
		t.Errorf("exit code %d, version %q", code, out)
	}
}
