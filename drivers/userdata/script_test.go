package userdata_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

const scriptPath = "/usr/local/sbin/jeroboam-bootstrap"

func TestScriptsAreValid(t *testing.T) {
	for _, h := range []userdata.Host{initHost(), controlPlaneHost(), workerHost()} {
		c := parse(t, render(t, h))
		for _, path := range []string{scriptPath, "/usr/local/sbin/jeroboam-metadata-guard"} {
			file := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(file, []byte(c.file(t, path).Content), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("bash", "-n", file).CombinedOutput(); err != nil {
				t.Errorf("%s of %s: %v\n%s", path, h.Role, err, out)
			}
			if _, err := exec.LookPath("shellcheck"); err != nil {
				continue
			}
			if out, err := exec.Command("shellcheck", file).CombinedOutput(); err != nil {
				t.Errorf("%s of %s: %v\n%s", path, h.Role, err, out)
			}
		}
	}
}

// TestMetadataGuard lets a kernel judge the rules, twice, in a network of their own.
func TestMetadataGuard(t *testing.T) {
	if err := exec.Command("unshare", "-n", "nft", "list", "ruleset").Run(); err != nil {
		testenv.Lacks(t, "there is no nft, or no right to use it")
	}
	guard := parse(t, render(t, workerHost())).file(t, "/usr/local/sbin/jeroboam-metadata-guard").Content
	guard = strings.Replace(guard, "\nPATH=", "\nPATH=$PATH:", 1)
	out, err := exec.Command("unshare", "-n", "sh", "-ec", "sh -c \"$0\"; sh -c \"$0\"; nft list ruleset", guard).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, rule := range []string{"ip daddr 169.254.169.254 reject", "ip6 daddr { fd00:ec2::254, fe80::a9fe:a9fe } reject", "hook forward"} {
		if strings.Count(string(out), rule) != 1 {
			t.Errorf("%q is not there exactly once:\n%s", rule, out)
		}
	}
}

// sandbox is a host in a folder: the script's paths lead into it, and the commands that change a host write down that they
// were called. kubeadm does what the scenario, a piece of shell, says; $n counts its calls with the same first argument.
type sandbox struct {
	t      *testing.T
	root   string
	script string
}

const fakeKubeadm = `#!/bin/bash
echo "kubeadm $*" >>"$ROOT/calls"
n=$(grep -c "^kubeadm $1" "$ROOT/calls")
k=$ROOT/etc/kubernetes
if [ "$1" = reset ]; then
	rm -rf "$k/pki" "$k/manifests" "$k"/*.conf "$ROOT/var/lib/etcd/member"
	mkdir -p "$k/pki"
	exit 0
fi
[ -e "$ROOT/guarded" ] || { echo "the metadata service is open" >&2; exit 9; }
. "$ROOT/scenario"
`

func newSandbox(t *testing.T, h userdata.Host, scenario string) *sandbox {
	t.Helper()
	if _, err := exec.LookPath("flock"); err != nil {
		testenv.Lacks(t, "flock is not installed")
	}
	s := &sandbox{t: t, root: t.TempDir()}
	for _, dir := range []string{"bin", "etc/kubernetes/manifests", "var/lib", "var/log", "run", "dev"} {
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := parse(t, render(t, h))
	for _, f := range c.WriteFiles {
		s.write(f.Path, f.Content)
	}
	s.write("scenario", scenario)
	s.write("dev/console", "")
	s.write("bin/kubeadm", fakeKubeadm)
	s.write("bin/systemctl", "#!/bin/bash\necho \"systemctl $*\" >>\"$ROOT/calls\"\n"+
		"if [ \"$*\" = 'start jeroboam-metadata-guard.service' ]; then touch \"$ROOT/guarded\"; fi\n")
	s.write("bin/curl", "#!/bin/bash\n")
	for _, name := range []string{"swapoff", "modprobe", "sysctl", "sleep"} {
		s.write("bin/"+name, "#!/bin/bash\necho \""+name+" $*\" >>\"$ROOT/calls\"\n")
	}
	script := c.file(t, scriptPath).Content
	for _, dir := range []string{"/etc/", "/var/", "/run/"} {
		script = strings.ReplaceAll(script, dir, s.root+dir)
	}
	script = strings.ReplaceAll(script, "=/dev/console", "="+s.root+"/dev/console")
	s.script = strings.Replace(script, "export PATH=", "export PATH="+s.root+"/bin:", 1)
	return s
}

func (s *sandbox) write(path, content string) {
	s.t.Helper()
	full := filepath.Join(s.root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o700); err != nil { //nolint:gosec // some are run
		s.t.Fatal(err)
	}
}

func (s *sandbox) read(path string) string {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join(s.root, path))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(content)
}

func (s *sandbox) exists(path string) bool {
	_, err := os.Stat(filepath.Join(s.root, path))
	return err == nil
}

func (s *sandbox) run() error {
	s.t.Helper()
	cmd := exec.Command("bash", "-c", s.script)
	cmd.Env = []string{"ROOT=" + s.root}
	out, err := cmd.CombinedOutput()
	if err == nil && len(out) > 0 {
		s.t.Errorf("said outside of the log: %s", out)
	}
	return err
}

// kubeadmCalls are the calls of kubeadm so far, with the long list of tolerated checks cut short.
func (s *sandbox) kubeadmCalls() []string {
	var calls []string
	for line := range strings.Lines(s.read("calls")) {
		if rest, found := strings.CutPrefix(strings.TrimSpace(line), "kubeadm "); found {
			rest, _, _ = strings.Cut(rest, "=DirAvailable")
			calls = append(calls, strings.ReplaceAll(rest, s.root, ""))
		}
	}
	return calls
}

const (
	initCall      = "init --config /etc/kubernetes/kubeadm.yaml --skip-token-print"
	againCall     = initCall + " --ignore-preflight-errors"
	joinCall      = "join --config /etc/kubernetes/kubeadm.yaml"
	joinAgainCall = joinCall + " --ignore-preflight-errors"
	resetCall     = "reset --force"
)

func TestBootstrap(t *testing.T) {
	const ok = "touch $k/kubelet.conf\n"
	tests := []struct {
		name     string
		host     userdata.Host
		scenario string
		before   func(*sandbox)
		want     []string
	}{
		{name: "init at once", host: initHost(), scenario: ok, want: []string{initCall}},
		{
			name: "init fails before etcd and is started over", host: initHost(), want: []string{initCall, resetCall, initCall},
			scenario: "touch $k/kubelet.conf; if [ $n = 1 ]; then echo half >$k/pki/apiserver.crt; exit 1; fi; [ ! -e $k/pki/apiserver.crt ]",
		},
		{
			name: "init fails with etcd running and goes on in place", host: initHost(), want: []string{initCall, againCall, againCall},
			scenario: "touch $k/kubelet.conf; mkdir -p $ROOT/var/lib/etcd/member; [ $n = 3 ]",
		},
		{
			name: "the host went down during init", host: initHost(), scenario: ok, want: []string{againCall},
			before: func(s *sandbox) {
				s.write("etc/kubernetes/kubelet.conf", "")
				s.write("var/lib/etcd/member/snap", "")
			},
		},
		{
			name: "worker asks until the API has what it needs", host: workerHost(), want: []string{joinCall}, scenario: "[ $(wc -l <$ROOT/asked) = 3 ] && touch $k/kubelet.conf",
			before: func(s *sandbox) {
				s.write("bin/curl", "#!/bin/bash\necho \"$*\" >>\"$ROOT/asked\"\n[[ $* == *--fail*' https://192.0.2.10:6443/api/'* ]] || exit 1\n[ $(wc -l <\"$ROOT/asked\") -ge 3 ]\n")
			},
		},
		{name: "worker at once", host: workerHost(), scenario: ok, want: []string{joinCall}},
		{
			name: "worker waits for the API", host: workerHost(), want: []string{joinCall, joinCall, resetCall, joinCall},
			scenario: "case $n in 1) exit 1 ;; 2) touch $k/bootstrap-kubelet.conf; exit 1 ;; *) touch $k/kubelet.conf ;; esac",
		},
		{
			name: "the worker went down after joining", host: workerHost(), scenario: "exit 1",
			before: func(s *sandbox) { s.write("etc/kubernetes/kubelet.conf", "") },
		},
		{
			name: "control plane fails half way", host: controlPlaneHost(), want: []string{joinCall, resetCall, joinCall},
			scenario: "touch $k/kubelet.conf; [ $n = 2 ]",
		},
		{
			name: "control plane fails before etcd knows it", host: controlPlaneHost(), want: []string{joinCall, resetCall, joinCall},
			scenario: "touch $k/bootstrap-kubelet.conf; if [ $n = 1 ]; then echo half >$k/pki/apiserver.crt; exit 1; fi; [ ! -e $k/pki/apiserver.crt ]",
		},
		{
			name: "control plane fails with its etcd announced", host: controlPlaneHost(), want: []string{joinCall, joinAgainCall, joinAgainCall},
			scenario: "touch $k/bootstrap-kubelet.conf; mkdir -p $k/manifests; touch $k/manifests/etcd.yaml; [ $n = 3 ]",
		},
		{
			name: "control plane goes down with etcd running", host: controlPlaneHost(), scenario: ok, want: []string{joinAgainCall},
			before: func(s *sandbox) {
				s.write("etc/kubernetes/kubelet.conf", "")
				s.write("var/lib/etcd/member/snap", "")
			},
		},
		{
			name: "static pods of others are left alone", host: workerHost(), scenario: "[ $n = 2 ]", want: []string{joinCall, joinCall},
			before: func(s *sandbox) { s.write("etc/kubernetes/manifests/extra.yaml", "") },
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := newSandbox(t, tc.host, tc.scenario)
			if tc.before != nil {
				tc.before(s)
			}
			if err := s.run(); err != nil {
				t.Fatalf("%v\n%s", err, s.read("var/log/jeroboam-bootstrap.log"))
			}
			if diff := cmp.Diff(tc.want, s.kubeadmCalls()); diff != "" {
				t.Errorf("calls of kubeadm:\n%s", diff)
			}
			if !s.exists("var/lib/jeroboam/bootstrapped") || s.exists("var/lib/jeroboam/pki") {
				t.Error("not marked as done, or copies of the keys are left")
			}
			if tc.host.PKI != nil && s.read("etc/kubernetes/pki/etcd/ca.key") != string(tc.host.PKI.EtcdCA.PrivateKey) {
				t.Error("the key of the etcd authority is lost")
			}
			calls := s.read("calls")
			if err := s.run(); err != nil || s.read("calls") != calls {
				t.Errorf("the second run did something: %v", err)
			}
		})
	}
}

// TestJoinGoesOnInPlace without taking its vote away before the API answers: that may wait for it.
func TestJoinGoesOnInPlace(t *testing.T) {
	s := newSandbox(t, controlPlaneHost(), "mkdir -p $k/manifests; touch $k/manifests/etcd.yaml; [ $n = 2 ]")
	s.write("bin/curl", "#!/bin/bash\necho curl >>\"$ROOT/calls\"\n")
	if err := s.run(); err != nil {
		t.Fatalf("%v\n%s", err, s.read("var/log/jeroboam-bootstrap.log"))
	}
	var calls []string
	for line := range strings.Lines(s.read("calls")) {
		if line = strings.TrimSpace(line); line == "curl" || strings.HasPrefix(line, "kubeadm ") || line == "systemctl stop kubelet.service" {
			calls = append(calls, strings.Join(strings.Fields(line)[:min(2, len(strings.Fields(line)))], " "))
		}
	}
	if diff := cmp.Diff([]string{"curl", "kubeadm join", "curl", "systemctl stop", "kubeadm join"}, calls); diff != "" {
		t.Error(diff)
	}
}

func TestBootstrapSurvivesBeingKilled(t *testing.T) {
	s := newSandbox(t, controlPlaneHost(), "touch $k/kubelet.conf; if [ $n = 1 ]; then rm -r $k/pki; kill -KILL $PPID; exit 1; fi")
	if err := s.run(); err == nil {
		t.Fatal("the first run was not killed")
	}
	if err := s.run(); err != nil {
		t.Fatalf("%v\n%s", err, s.read("var/log/jeroboam-bootstrap.log"))
	}
	if diff := cmp.Diff([]string{joinCall, resetCall, joinCall}, s.kubeadmCalls()); diff != "" {
		t.Error(diff)
	}
	if !s.exists("etc/kubernetes/pki/sa.key") {
		t.Error("the keys are lost")
	}
}

func TestBootstrapGivesUp(t *testing.T) {
	s := newSandbox(t, workerHost(), "exit 1")
	s.script = strings.Replace(s.script, "patience=7200", "patience=36", 1)
	if err := s.run(); err == nil {
		t.Error("a host that never joined reports success")
	}
	if s.exists("var/lib/jeroboam/bootstrapped") {
		t.Error("marked as done")
	}
	var pauses []string
	for line := range strings.Lines(s.read("calls")) {
		if rest, found := strings.CutPrefix(line, "sleep "); found {
			pauses = append(pauses, strings.TrimSpace(rest))
		}
	}
	if diff := cmp.Diff([]string{"5", "10", "20"}, pauses); diff != "" {
		t.Errorf("pauses:\n%s", diff)
	}
}

func TestBootstrapLog(t *testing.T) {
	s := newSandbox(t, initHost(), "touch $k/kubelet.conf; echo \"kubeadm join x --token "+token+" --hash\"; echo to stderr >&2")
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	log := s.read("var/log/jeroboam-bootstrap.log")
	if strings.Contains(log, token) || !strings.Contains(log, "--token (token) --hash") || !strings.Contains(log, "to stderr") {
		t.Errorf("log: %s", log)
	}
	if s.read("dev/console") != log {
		t.Errorf("the console has %s", s.read("dev/console"))
	}
}

func TestBootstrapSetsProxy(t *testing.T) {
	s := newSandbox(t, workerHost(), "touch $k/kubelet.conf")
	s.write("etc/environment", "PATH=/bin\nHTTP_PROXY=http://old\n")
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	env := s.read("etc/environment")
	if !strings.HasPrefix(env, "PATH=/bin\n") || strings.Contains(env, "old") || !strings.Contains(env, "\nhttp_proxy=http://proxy.example.org:3128\n") {
		t.Errorf("environment: %s", env)
	}
}
