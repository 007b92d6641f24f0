// Package coe holds `openstack coe`, in Debian's release of it, to what it prints: every command with every option, typed by
// tenants and an administrator at our processes among real servers, in transcripts under testdata that tell one story.
// With the flag -update they are written anew.
package coe

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

var update = flag.Bool("update", false, "write the transcripts anew")

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// play is the story while it goes on.
type play struct {
	*stack.Stack
	terminal *terminal
	constant *constant
	people   map[string]*person // by the name in the prompt
}

// person at the terminal. The first command logs in with the password and finds the service in the catalogue; to have the
// rest do so would take longer than all else, so they are given a token and the address.
type person struct {
	password, token map[string]string // environments
	known           bool
}

// environment for a command that is typed now.
func (x *person) environment(command string) map[string]string {
	if x.known && strings.HasPrefix(command, "openstack coe ") {
		return x.token
	}
	x.known = true
	return x.password
}

func TestTranscripts(t *testing.T) {
	s := stack.Start(t, stack.Options{Speed: 40, Conductors: 1, Quotas: []string{"instances=9"}})
	p := &play{Stack: s, terminal: open(t, t.TempDir()), constant: newConstant(), people: map[string]*person{}}
	p.files(t)
	for who, x := range map[string]*stack.Tenant{"": s.One, "two": s.Two, "admin": s.Admin} {
		p.people[who] = meet(t, s, x)
	}
	p.constant.literal(s.One.ProjectID, strings.Repeat("1", 32))
	p.constant.literal(s.Two.ProjectID, strings.Repeat("2", 32))
	p.constant.literal(s.Admin.ProjectID, strings.Repeat("a", 32))
	p.constant.literal(s.One.UserID, strings.Repeat("1", 31)+"0")
	p.constant.literal(p.terminal.dir, "/home/one")
	for _, path := range transcripts(t) {
		if !t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { p.transcript(t, path) }) {
			return // the rest would only say so again
		}
	}
	for _, x := range []*stack.Tenant{s.One, s.Two, s.Admin} {
		if left := s.Left(t, x.ProjectID); len(left) > 0 {
			t.Errorf("left in the cloud: %v", left)
		}
	}
}

func meet(t *testing.T, s *stack.Stack, x *stack.Tenant) *person {
	t.Helper()
	p := &person{password: map[string]string{}}
	for _, pair := range x.Environment(t) {
		name, value, _ := strings.Cut(pair, "=")
		p.password[name] = value
	}
	p.token = map[string]string{"OS_AUTH_TYPE": "admin_token", "OS_ENDPOINT": s.URL + "/v1", "OS_TOKEN": x.Token()}
	for _, name := range []string{"PATH", "HOME", "SHELL", "LC_ALL"} {
		p.token[name] = p.password[name]
	}
	return p
}

// transcript plays one of them and compares what comes out.
func (p *play) transcript(t *testing.T, path string) {
	want, err := os.ReadFile(path)
	check(t, err)
	steps := parse(string(want))
	over := false
	defer func() {
		if so, err := format(steps); !over && err == nil {
			t.Logf("it went so far:\n%s", so)
		}
	}()
	for i, s := range steps {
		switch {
		case s.command != "":
			if strings.Contains(s.command, worker) {
				p.worker(t)
			}
			command, file, redirected := strings.Cut(p.constant.unfold(s.command), " > ")
			a := p.terminal.run(t, p.people[s.who].environment(command), command)
			if redirected {
				check(t, os.WriteFile(filepath.Join(p.terminal.dir, file), []byte(a.Out), 0o600))
				a.Out = ""
			}
			steps[i].output = outcome(a.Code, p.constant.fold(a.Out), p.constant.fold(a.Err))
		case s.does != "":
			steps[i].output = p.constant.fold(p.direct(t, p.constant.unfold(s.does)))
		}
	}
	over = true
	got, err := format(steps)
	check(t, err)
	if *update {
		check(t, os.WriteFile(path, []byte(got), 0o600))
		return
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s is not what is printed (- is the file; -update writes it anew):\n%s", path, diff)
	}
}
